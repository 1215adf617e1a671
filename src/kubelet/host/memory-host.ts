import { join, normalize, resolve } from 'node:path';
import type { DiskInfo, FileInfo, Host, WriteOptions } from './host.ts';

interface Entry {
  kind: 'file' | 'directory' | 'symlink';
  /** As it was written. */
  data: string | Uint8Array;
  target: string;
  mode: number;
  uid: number;
  gid: number;
  mount?: 'tmpfs' | 'hugetlbfs' | 'bind';
  /** Unlike that of any other there was. */
  readonly serial: number;
  /** Of a directory, once there is one. */
  children: Map<string, Entry> | undefined;
}

/** Where a path leads: its names, and what is there. */
interface Place {
  readonly names: readonly string[];
  readonly entry: Entry | undefined;
  readonly parent: Entry | undefined;
}

const decoder = new TextDecoder();

/** Files in memory, for simulated nodes and tests. Mounts are only remembered. */
export class MemoryHost implements Host {
  readonly inMemory = this;
  readonly #root: Entry = directory(0o755);
  readonly #watchers = new Map<string, Set<() => void>>();

  async makeDirectory(path: string, mode = 0o755): Promise<void> {
    this.#make(this.#follow(path).names, mode);
  }

  #make(names: readonly string[], mode: number): void {
    const made = this.#directory(names);
    made.mode = mode;
  }

  /** What is there, made with its parents when it is not. */
  #directory(names: readonly string[]): Entry {
    let at = this.#root;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      let next = at.children?.get(name);
      if (!next) {
        next = directory(0o755);
        at.children ??= new Map();
        at.children.set(name, next);
        this.#notify(names.slice(0, i));
      } else if (next.kind !== 'directory')
        throw new Error(`EEXIST: "/${names.slice(0, i + 1).join('/')}" is a ${next.kind}`);
      at = next;
    }
    return at;
  }

  async writeFile(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
    const { names, parent } = this.#follow(path);
    if (parent?.kind !== 'directory') throw new Error(`ENOENT: no directory for "${path}"`);
    this.#put(names, entryOf('file', { data, mode: options.mode ?? 0o644 }), parent);
  }

  async readFile(path: string): Promise<string | undefined> {
    const { entry } = this.#follow(path);
    return entry?.kind === 'file' ? textOf(entry) : undefined;
  }

  async readTail(path: string, bytes: number): Promise<string | undefined> {
    const { entry } = this.#follow(path);
    return entry?.kind === 'file' ? decoder.decode(Buffer.from(entry.data).subarray(-bytes)) : undefined;
  }

  async info(path: string, options: { readonly follow?: boolean } = {}): Promise<FileInfo | undefined> {
    const { entry: e } = options.follow === false ? this.#followParent(path) : this.#follow(path);
    if (!e) return undefined;
    const { kind, mode, uid, gid, data, serial, mount = '' } = e;
    return { kind, mode, uid, gid, sizeBytes: Buffer.byteLength(data), identity: `${serial}${mount}` };
  }

  async list(path: string): Promise<readonly string[]> {
    return [...(this.#follow(path).entry?.children?.keys() ?? [])].sort();
  }

  async remove(path: string): Promise<void> {
    const { names, parent } = this.#literal(normalize(path));
    parent?.children?.delete(names.at(-1)!);
    this.#notify(names.slice(0, -1));
  }

  async removeEmpty(path: string): Promise<void> {
    const { names, entry, parent } = this.#literal(normalize(path));
    if (!entry) return;
    if (entry.children?.size) throw new Error(`ENOTEMPTY: "${path}"`);
    if (entry.mount) throw new Error(`EBUSY: "${path}" is mounted`);
    parent?.children?.delete(names.at(-1)!);
    this.#notify(names.slice(0, -1));
  }

  async rename(from: string, to: string): Promise<void> {
    const { names, entry, parent } = this.#literal(from);
    if (!entry) throw new Error(`ENOENT: "${from}" does not exist`);
    await this.remove(to);
    parent?.children?.delete(names.at(-1)!);
    this.#put(namesOf(to), entry);
  }

  async symlink(target: string, path: string): Promise<void> {
    const { names, entry } = this.#literal(path);
    if (entry) throw new Error(`EEXIST: "${path}" exists`);
    this.#put(names, entryOf('symlink', { target, mode: 0o777 }));
  }

  async readLink(path: string): Promise<string | undefined> {
    return this.#literal(path).entry?.target || undefined;
  }

  async chmod(path: string, mode: number): Promise<void> {
    const { entry } = this.#follow(path);
    if (entry) entry.mode = mode;
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    const { entry } = this.#literal(path);
    if (!entry) return;
    if (uid >= 0) entry.uid = uid;
    if (gid >= 0) entry.gid = gid;
  }

  async mountTmpfs(path: string): Promise<void> {
    const { entry } = this.#follow(path);
    if (entry) entry.mount = 'tmpfs';
  }

  async mountHugePages(path: string, _pageBytes: number): Promise<void> {
    const { entry } = this.#follow(path);
    if (entry) entry.mount = 'hugetlbfs';
  }

  async isMountPoint(path: string): Promise<boolean> {
    return this.#follow(path).entry?.mount !== undefined;
  }

  async unmount(path: string): Promise<void> {
    const { entry } = this.#follow(path);
    if (entry) delete entry.mount;
  }

  async readWithin(volume: string, path: string): Promise<string | undefined> {
    return this.readFile(`${volume}/${path}`);
  }

  async bindSubPath(volume: string, subPath: string, target: string, mode: number): Promise<string> {
    if (subPath.split('/').includes('..')) throw new Error(`subpath "${subPath}" contains ".."`);
    const source = this.#follow(join(volume, subPath));
    if (!source.entry) this.#make(source.names, mode);
    this.#put(namesOf(target), { ...directory(mode), mount: 'bind' });
    return target;
  }

  async makeShared(): Promise<void> {}

  async disk(): Promise<DiskInfo> {
    return { capacityBytes: 2 ** 40, availableBytes: 2 ** 39, inodes: 1e6, inodesFree: 9e5 };
  }

  async usage(path: string): Promise<number> {
    const { entry } = this.#literal(path);
    return entry?.kind === 'directory' ? bytesIn(entry) : 0;
  }

  async files(path: string): Promise<number> {
    const { entry } = this.#literal(path);
    return entry?.kind === 'directory' ? filesIn(entry) : 0;
  }

  async compress(path: string): Promise<void> {
    await this.rename(path, `${path}.gz`);
  }

  watch(path: string, onChange: () => void): () => void {
    const set = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, set.add(onChange));
    return () => set.delete(onChange);
  }

  /** In the place of what is there; missing parents are made. */
  #put(names: readonly string[], entry: Entry, parent = this.#directory(names.slice(0, -1))): void {
    parent.children ??= new Map();
    parent.children.set(names.at(-1)!, entry);
    if (this.#watchers.size > 0) this.#notify(names.slice(0, -1));
  }

  #notify(directory: readonly string[]): void {
    if (this.#watchers.size === 0) return;
    for (const fn of this.#watchers.get(`/${directory.join('/')}`) ?? []) fn();
  }

  /** No link is followed. */
  #literal(path: string): Place {
    const names = namesOf(path);
    let parent: Entry | undefined;
    let entry: Entry | undefined = this.#root;
    for (const name of names) {
      parent = entry;
      entry = entry?.children?.get(name);
    }
    return { names, entry, parent };
  }

  /** Resolves links along the whole path. */
  #follow(path: string, depth = 0): Place {
    const names = namesOf(path.includes('.') && untidy.test(path) ? normalize(path) : path);
    let parent: Entry | undefined;
    let entry: Entry | undefined = this.#root;
    for (let i = 0; i < names.length; i++) {
      const next: Entry | undefined = entry?.children?.get(names[i]!);
      if (next?.kind === 'symlink' && depth < 20) {
        const target = resolve(`/${names.slice(0, i).join('/')}`, next.target);
        return this.#follow(join(target, ...names.slice(i + 1)), depth + 1);
      }
      parent = entry;
      entry = next;
    }
    return { names, entry, parent };
  }

  /** The same for all but the last name. */
  #followParent(path: string): Place {
    const names = namesOf(path);
    const name = names.at(-1)!;
    const above = this.#follow(names.slice(0, -1).join('/'));
    return { names: [...above.names, name], entry: above.entry?.children?.get(name), parent: above.entry };
  }
}

/** Has names that stand for other directories. */
const untidy = /(^|\/)\.\.?(\/|$)/;

const namesOf = (path: string): string[] =>
  path.length > 1 && path.startsWith('/') && !path.endsWith('/') && !path.includes('//')
    ? path.slice(1).split('/')
    : path.split('/').filter(name => name !== '');

let entries = 0;

function entryOf(kind: Entry['kind'], more: Partial<Entry>): Entry {
  return { kind, serial: entries++, data: '', target: '', mode: 0, uid: 0, gid: 0, children: undefined, ...more };
}

const directory = (mode: number): Entry => entryOf('directory', { mode });

const textOf = ({ data }: Entry): string => (typeof data === 'string' ? data : decoder.decode(data));

function bytesIn({ children }: Entry): number {
  let total = 0;
  for (const entry of children?.values() ?? []) total += Buffer.byteLength(entry.data) + bytesIn(entry);
  return total;
}

const filesIn = ({ children }: Entry): number =>
  children?.values().reduce((sum, entry) => sum + 1 + filesIn(entry), 0) ?? 0;

export const memoryHost = (): MemoryHost => new MemoryHost();
