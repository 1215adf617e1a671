import { execFile } from 'node:child_process';
import * as sync from 'node:fs';
import { constants, createReadStream, createWriteStream, type Stats, watch } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { DiskInfo, FileInfo, FileKind, Host, WriteOptions } from './host.ts';

const codeOf = (error: unknown) => (error as { code?: string }).code;

async function orNothing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    execFile(command, args, (error, _out, err) => {
      if (error) fail(new Error(`${command} ${args.join(' ')} failed: ${err.trim() || error.message}`));
      else done();
    });
  });
}

function kindOf(s: Stats): FileKind {
  if (s.isDirectory()) return 'directory';
  if (s.isSymbolicLink()) return 'symlink';
  if (s.isSocket()) return 'socket';
  if (s.isBlockDevice()) return 'block';
  if (s.isCharacterDevice()) return 'char';
  return s.isFIFO() ? 'fifo' : 'file';
}

const unescapeMount = (text: string) =>
  text.replace(/\\(\d{3})/g, (_, o: string) => String.fromCharCode(Number.parseInt(o, 8)));

/** Mount points at or below a path, the newest first. */
async function mountsBelow(path: string): Promise<readonly string[]> {
  const text = await fs.readFile('/proc/self/mountinfo', 'utf8');
  const points: string[] = [];
  for (const line of text.split('\n')) {
    const point = line.split(' ')[4];
    if (point === undefined) continue;
    const plain = unescapeMount(point);
    if (plain === path || plain.startsWith(`${path}/`)) points.push(plain);
  }
  return points.reverse();
}

/** Whether the mount that a path lies on passes its mounts on. */
async function isShared(path: string): Promise<boolean> {
  let longest = '';
  let shared = false;
  for (const line of (await fs.readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const fields = line.split(' ');
    const point = unescapeMount(fields[4] ?? '');
    // Of mounts in the same place the last one is seen.
    if (!isWithin(path, point) || point.length < longest.length) continue;
    longest = point;
    shared = fields.slice(6, fields.indexOf('-')).some(f => f.startsWith('shared:'));
  }
  return shared;
}

const isWithin = (path: string, point: string) =>
  point !== '' && (path === point || path.startsWith(point.endsWith(sep) ? point : point + sep));

/** Not in node:fs: open a path without opening what it names. */
const openPathOnly = 0o10000000;
const maxReadBytes = 1 << 20;

/** Calls of `node:fs/promises`, as far as they are used for small files. */
interface Files {
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  chmod(path: string, mode: number): Promise<void>;
  writeFile(path: string, data: string | Uint8Array, options: { readonly mode: number }): Promise<void>;
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readlink(path: string): Promise<string>;
  readdir(path: string): Promise<string[]>;
  stat(path: string): Promise<Stats>;
  lstat(path: string): Promise<Stats>;
  lchown(path: string, uid: number, gid: number): Promise<void>;
}

// Where no disk is waited for, a call takes a tenth of what it takes to hand it to another thread and hear of it.
const filesInMemory: Files = {
  mkdir: async (path, options) => sync.mkdirSync(path, options),
  chmod: async (path, mode) => sync.chmodSync(path, mode),
  writeFile: async (path, data, options) => sync.writeFileSync(path, data, options),
  readFile: async (path, encoding) => sync.readFileSync(path, encoding),
  rename: async (from, to) => sync.renameSync(from, to),
  symlink: async (target, path) => sync.symlinkSync(target, path),
  readlink: async path => sync.readlinkSync(path),
  readdir: async path => sync.readdirSync(path),
  stat: async path => sync.statSync(path),
  lstat: async path => sync.lstatSync(path),
  lchown: async (path, uid, gid) => sync.lchownSync(path, uid, gid),
};

class LinuxHost implements Host {
  readonly inMemory: Host;
  readonly #files: Files;

  constructor(files: Files, inMemory?: Host) {
    this.#files = files;
    this.inMemory = inMemory ?? this;
  }

  async makeDirectory(path: string, mode = 0o755): Promise<void> {
    await this.#files.mkdir(path, { recursive: true });
    await this.#files.chmod(path, mode);
  }

  async writeFile(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
    const { mode = 0o644, atomic } = options;
    const target = atomic ? join(dirname(path), `.${basename(path)}.new`) : path;
    await this.#files.writeFile(target, data, { mode });
    await this.#files.chmod(target, mode);
    if (atomic) await this.#files.rename(target, path);
  }

  readFile(path: string): Promise<string | undefined> {
    return orNothing(this.#files.readFile(path, 'utf8'));
  }

  async readTail(path: string, bytes: number): Promise<string | undefined> {
    const file = await orNothing(fs.open(path, 'r'));
    if (!file) return undefined;
    try {
      const { size } = await file.stat();
      const length = Math.min(bytes, size);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }

  async info(path: string, options: { readonly follow?: boolean } = {}): Promise<FileInfo | undefined> {
    const s = await orNothing(options.follow === false ? this.#files.lstat(path) : this.#files.stat(path));
    return (
      s && {
        ...{ kind: kindOf(s), mode: s.mode & 0o7777, uid: s.uid, gid: s.gid, sizeBytes: s.size },
        identity: `${s.dev}:${s.ino}:${s.birthtimeMs}`,
      }
    );
  }

  async list(path: string): Promise<readonly string[]> {
    return (await orNothing(this.#files.readdir(path))) ?? [];
  }

  async remove(path: string): Promise<void> {
    const there = await this.info(path, { follow: false });
    if (!there) return;
    // Nothing is mounted on a link.
    if (there.kind === 'symlink') return orNothing(fs.unlink(path));
    const real = join(await fs.realpath(dirname(path)), basename(path));
    const mounted = await mountsBelow(real);
    for (const point of mounted) await this.unmount(point);
    const left = mounted.length ? await mountsBelow(real) : [];
    if (left.length) throw new Error(`removing "${path}" refused: "${left[0]}" is still mounted`);
    await fs.rm(path, { recursive: true, force: true });
  }

  async removeEmpty(path: string): Promise<void> {
    const s = await orNothing(this.#files.lstat(path));
    if (s) await orNothing(s.isDirectory() ? fs.rmdir(path) : fs.unlink(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#files.rename(from, to);
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#files.symlink(target, path);
  }

  async readLink(path: string): Promise<string | undefined> {
    try {
      return await orNothing(this.#files.readlink(path));
    } catch (error) {
      if (codeOf(error) === 'EINVAL') return undefined;
      throw error;
    }
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#files.chmod(path, mode);
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    const now = await this.#files.lstat(path);
    await this.#files.lchown(path, uid < 0 ? now.uid : uid, gid < 0 ? now.gid : gid);
  }

  mountTmpfs(path: string, sizeBytes: number | undefined): Promise<void> {
    const options = ['noswap', ...(sizeBytes ? [`size=${sizeBytes}`] : [])];
    return run('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', path]).catch(() =>
      // Kernels before 6.4 do not know noswap.
      run('mount', ['-t', 'tmpfs', ...(sizeBytes ? ['-o', `size=${sizeBytes}`] : []), 'tmpfs', path]),
    );
  }

  mountHugePages(path: string, pageBytes: number): Promise<void> {
    return run('mount', ['-t', 'hugetlbfs', '-o', `pagesize=${pageBytes},mode=0777`, 'nodev', path]);
  }

  async isMountPoint(path: string): Promise<boolean> {
    const real = await orNothing(fs.realpath(path));
    return real !== undefined && (await mountsBelow(real)).includes(real);
  }

  unmount(path: string): Promise<void> {
    return run('umount', [path]).catch(() => run('umount', ['-l', path]));
  }

  async readWithin(volume: string, path: string): Promise<string | undefined> {
    const root = await orNothing(fs.realpath(volume));
    const full = root && (await orNothing(fs.realpath(join(root, path))));
    if (!root || !full) return undefined;
    if (!full.startsWith(root + sep)) throw new Error(`path "${path}" not within volume path "${volume}"`);
    const handle = await openWithin(root, relative(root, full));
    try {
      const info = await handle.stat();
      if (!info.isFile()) throw new Error(`path "${path}" is no file`);
      if (info.size > maxReadBytes) throw new Error(`file "${path}" is larger than ${maxReadBytes} bytes`);
      return await fs.readFile(`/proc/self/fd/${handle.fd}`, 'utf8');
    } finally {
      await handle.close();
    }
  }

  async bindSubPath(volume: string, subPath: string, target: string, mode: number): Promise<string> {
    const root = await fs.realpath(volume);
    await makeWithin(root, subPath, mode);
    const full = await fs.realpath(join(root, subPath));
    if (full !== root && !full.startsWith(root + sep))
      throw new Error(`subpath "${subPath}" not within volume path "${volume}"`);
    const handle = await openWithin(root, relative(root, full));
    try {
      const wanted = await handle.stat();
      // What stood there when the container was started last may have been replaced since.
      const mounted = await this.isMountPoint(target);
      const shown = mounted ? await orNothing(fs.stat(target)) : undefined;
      if (shown?.dev !== wanted.dev || shown.ino !== wanted.ino) {
        if (mounted) await this.unmount(target);
        // Never what lies below a mount: an empty directory or a file, or this fails.
        const old = await orNothing(fs.lstat(target));
        if (old) await (old.isDirectory() ? fs.rmdir(target) : fs.unlink(target));
        await fs.mkdir(dirname(target), { recursive: true });
        if (wanted.isDirectory()) await fs.mkdir(target);
        else await fs.writeFile(target, '');
        await run('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${handle.fd}`, target]);
      }
    } finally {
      await handle.close();
    }
    return target;
  }

  async makeShared(path: string): Promise<void> {
    const real = await fs.realpath(path);
    if (await isShared(real)) return;
    // A mount of its own, so that nothing else of the machine changes; with what is mounted below it already.
    await run('mount', ['--rbind', real, real]);
    await run('mount', ['--make-rshared', real]);
  }

  async disk(path: string): Promise<DiskInfo | undefined> {
    const s = await orNothing(fs.statfs(path));
    return (
      s && {
        capacityBytes: s.blocks * s.bsize,
        availableBytes: s.bavail * s.bsize,
        inodes: s.files,
        inodesFree: s.ffree,
      }
    );
  }

  async usage(path: string): Promise<number> {
    let total = 0;
    for await (const { blocks } of below(path)) total += blocks * 512;
    return total;
  }

  async files(path: string): Promise<number> {
    let count = 0;
    for await (const _ of below(path)) count++;
    return count;
  }

  async compress(path: string): Promise<void> {
    const temporary = `${path}.tmp`;
    await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary));
    await fs.rename(temporary, `${path}.gz`);
    await fs.rm(path, { force: true });
  }

  watch(path: string, onChange: () => void): () => void {
    const watcher = watch(path, { persistent: false }, onChange);
    watcher.on('error', onChange);
    return () => watcher.close();
  }
}

/** Opens a path below a directory one name at a time, following no link: what was checked is what is bound. */
async function openWithin(root: string, path: string): Promise<fs.FileHandle> {
  let handle = await fs.open(root, openPathOnly | constants.O_NOFOLLOW);
  for (const name of path.split(sep).filter(n => n !== '')) {
    const parent = handle;
    try {
      handle = await fs.open(`/proc/self/fd/${parent.fd}/${name}`, openPathOnly | constants.O_NOFOLLOW);
    } finally {
      await parent.close();
    }
    if ((await handle.stat()).isSymbolicLink()) {
      await handle.close();
      throw new Error(`subpath component "${name}" has become a link`);
    }
  }
  return handle;
}

/**
 * What lies below a directory and on its own file system; of what has several names one. readdir's own recursion follows
 * links, and a container could lead it anywhere.
 */
async function* below(directory: string): AsyncGenerator<Stats> {
  const top = await orNothing(fs.lstat(directory));
  if (!top?.isDirectory()) return;
  const seen = new Set<number>();
  const directories = [directory];
  for (const at of directories)
    for (const name of (await orNothing(fs.readdir(at))) ?? []) {
      const path = join(at, name);
      const info = await orNothing(fs.lstat(path));
      if (!info || info.dev !== top.dev) continue;
      if (info.isDirectory()) directories.push(path);
      else if (info.nlink > 1 && seen.size === seen.add(info.ino).size) continue;
      yield info;
    }
}

/** Makes the missing directories of a path; none of them outside `root`, whatever links stand in the way. */
async function makeWithin(root: string, path: string, mode: number): Promise<void> {
  let at = root;
  for (const name of path.split(sep).filter(n => n !== '' && n !== '.')) {
    if (name === '..') throw new Error(`subpath "${path}" contains ".."`);
    const next = resolve(at, name);
    const real = await orNothing(fs.realpath(next));
    if (real === undefined) {
      await fs.mkdir(next);
      await fs.chmod(next, mode);
      at = next;
      continue;
    }
    if (real !== root && !real.startsWith(root + sep))
      throw new Error(`subpath "${path}" not within volume path "${root}"`);
    at = real;
  }
}

/** The machine this process runs on. */
export const linuxHost = (): Host => new LinuxHost(fs, new LinuxHost(filesInMemory));
