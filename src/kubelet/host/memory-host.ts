import { dirname, join, normalize, resolve } from 'node:path';
import type { DiskInfo, FileInfo, Host, WriteOptions } from './host.ts';

interface Entry {
  kind: 'file' | 'directory' | 'symlink';
  data: Uint8Array;
  target: string;
  mode: number;
  uid: number;
  gid: number;
  mount?: 'tmpfs' | 'bind';
}

const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** Files in memory, for simulated nodes and tests. Mounts are only remembered. */
export class MemoryHost implements Host {
  readonly #entries = new Map<string, Entry>([['/', directory(0o755)]]);
  readonly #watchers = new Map<string, Set<() => void>>();

  async makeDirectory(path: string, mode = 0o755): Promise<void> {
    this.#make(this.#follow(path), mode);
  }

  #make(path: string, mode: number): void {
    if (path !== '/' && !this.#entries.has(dirname(path))) this.#make(dirname(path), 0o755);
    const old = this.#entries.get(path);
    if (old && old.kind !== 'directory') throw new Error(`EEXIST: "${path}" is a ${old.kind}`);
    if (old) old.mode = mode;
    else this.#put(path, directory(mode));
  }

  async writeFile(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
    const real = this.#follow(path);
    if (this.#entries.get(dirname(real))?.kind !== 'directory') throw new Error(`ENOENT: no directory for "${path}"`);
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    this.#put(real, { kind: 'file', data: bytes, target: '', mode: options.mode ?? 0o644, uid: 0, gid: 0 });
  }

  async readFile(path: string): Promise<string | undefined> {
    const entry = this.#entries.get(this.#follow(path));
    return entry?.kind === 'file' ? text(entry.data) : undefined;
  }

  async readTail(path: string, bytes: number): Promise<string | undefined> {
    const entry = this.#entries.get(this.#follow(path));
    return entry?.kind === 'file' ? text(entry.data.subarray(-bytes)) : undefined;
  }

  async info(path: string, options: { readonly follow?: boolean } = {}): Promise<FileInfo | undefined> {
    const at =
      options.follow === false ? join(this.#follow(dirname(path)), path.slice(path.lastIndexOf('/') + 1)) : path;
    const e = this.#entries.get(options.follow === false ? at : this.#follow(path));
    return e && { kind: e.kind, mode: e.mode, uid: e.uid, gid: e.gid, sizeBytes: e.data.length };
  }

  async list(path: string): Promise<readonly string[]> {
    const prefix = `${this.#follow(path)}/`.replace('//', '/');
    const names: string[] = [];
    for (const p of this.#entries.keys())
      if (p !== '/' && p.startsWith(prefix) && !p.slice(prefix.length).includes('/'))
        names.push(p.slice(prefix.length));
    return names.sort();
  }

  async remove(path: string): Promise<void> {
    const at = normalize(path);
    for (const p of [...this.#entries.keys()]) if (p === at || p.startsWith(`${at}/`)) this.#entries.delete(p);
    this.#notify(at);
  }

  async removeEmpty(path: string): Promise<void> {
    const at = normalize(path);
    if (!this.#entries.has(at)) return;
    for (const p of this.#entries.keys()) if (p.startsWith(`${at}/`)) throw new Error(`ENOTEMPTY: "${path}"`);
    if (this.#entries.get(at)?.mount) throw new Error(`EBUSY: "${path}" is mounted`);
    this.#entries.delete(at);
    this.#notify(at);
  }

  async rename(from: string, to: string): Promise<void> {
    const moved = [...this.#entries].filter(([p]) => p === from || p.startsWith(`${from}/`));
    if (!moved.length) throw new Error(`ENOENT: "${from}" does not exist`);
    await this.remove(to);
    for (const [p, e] of moved) {
      this.#entries.delete(p);
      this.#put(to + p.slice(from.length), e);
    }
  }

  async symlink(target: string, path: string): Promise<void> {
    if (this.#entries.has(path)) throw new Error(`EEXIST: "${path}" exists`);
    this.#put(path, { kind: 'symlink', data: new Uint8Array(), target, mode: 0o777, uid: 0, gid: 0 });
  }

  async readLink(path: string): Promise<string | undefined> {
    return this.#entries.get(path)?.target || undefined;
  }

  async chmod(path: string, mode: number): Promise<void> {
    const entry = this.#entries.get(this.#follow(path));
    if (entry) entry.mode = mode;
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    const entry = this.#entries.get(path);
    if (!entry) return;
    if (uid >= 0) entry.uid = uid;
    if (gid >= 0) entry.gid = gid;
  }

  async mountTmpfs(path: string): Promise<void> {
    const entry = this.#entries.get(this.#follow(path));
    if (entry) entry.mount = 'tmpfs';
  }

  async isMountPoint(path: string): Promise<boolean> {
    return this.#entries.get(this.#follow(path))?.mount !== undefined;
  }

  async unmount(path: string): Promise<void> {
    const entry = this.#entries.get(this.#follow(path));
    if (entry) delete entry.mount;
  }

  async bindSubPath(volume: string, subPath: string, target: string, mode: number): Promise<string> {
    if (subPath.split('/').includes('..')) throw new Error(`subpath "${subPath}" contains ".."`);
    const source = this.#follow(join(volume, subPath));
    if (!this.#entries.has(source)) this.#make(source, mode);
    this.#make(dirname(target), 0o755);
    this.#put(target, { ...directory(mode), mount: 'bind' });
    return target;
  }

  async makeShared(): Promise<void> {}

  async disk(): Promise<DiskInfo> {
    return { capacityBytes: 2 ** 40, availableBytes: 2 ** 39, inodes: 1e6, inodesFree: 9e5 };
  }

  async usage(path: string): Promise<number> {
    let total = 0;
    for (const [p, e] of this.#entries) if (p.startsWith(`${path}/`)) total += e.data.length;
    return total;
  }

  async compress(path: string): Promise<void> {
    await this.rename(path, `${path}.gz`);
  }

  watch(path: string, onChange: () => void): () => void {
    const set = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, set.add(onChange));
    return () => set.delete(onChange);
  }

  #put(path: string, entry: Entry): void {
    this.#entries.set(path, entry);
    this.#notify(path);
  }

  #notify(path: string): void {
    for (const fn of this.#watchers.get(dirname(path)) ?? []) fn();
  }

  /** Resolves links along the whole path. */
  #follow(path: string, depth = 0): string {
    const names = (untidy.test(path) ? normalize(path) : path).split('/');
    let at = '';
    for (let i = 0; i < names.length; i++) {
      if (names[i] === '') continue;
      const next = `${at}/${names[i]}`;
      const entry = this.#entries.get(next);
      if (entry?.kind === 'symlink' && depth < 20)
        return this.#follow(join(resolve(at || '/', entry.target), ...names.slice(i + 1)), depth + 1);
      at = next;
    }
    return at || '/';
  }
}

/** Has names that stand for other directories. */
const untidy = /(^|\/)\.\.?(\/|$)/;

function directory(mode: number): Entry {
  return { kind: 'directory', data: new Uint8Array(), target: '', mode, uid: 0, gid: 0 };
}

export const memoryHost = (): MemoryHost => new MemoryHost();
