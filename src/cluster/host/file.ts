import {
  closeSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';

/**
 * Replaces a file in one step: readers see the old text or the new, also after a crash or on a full disk. The file stays
 * its owner's: root writes the kubeconfig of the user who asked by sudo. Throws FileError.
 */
export function writeFileAtomic(path: string, text: string, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.tmp`;
  makeDirectory(dirname(path));
  try {
    const fd = openSync(temporary, 'w', mode);
    try {
      // To the last byte: a disk that gets full takes a part and says so only then.
      writeFileSync(fd, text);
      keepOwner(fd, path);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    removeIfAble(temporary);
    throw new FileError('writing', path, error);
  }
}

function keepOwner(fd: number, path: string): void {
  const before = process.getuid?.() === 0 ? statSync(path, { throwIfNoEntry: false }) : undefined;
  if (before) fchownSync(fd, before.uid, before.gid);
}

function removeIfAble(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What kept it from being written keeps it from being removed; the first error is the one to tell.
  }
}

/** With those above it; there already: nothing happens. Throws FileError. */
export function makeDirectory(path: string, mode?: number): void {
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    throw new FileError('making directory', path, error);
  }
}

/** What failed with which file, and what to do; `code` is the system's. */
export class FileError extends Error {
  override name = 'FileError';
  readonly code: string | undefined;

  constructor(doing: string, path: string, cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    super(`${doing} ${path}: ${reasons[code ?? ''] ?? message}`, { cause });
    this.code = code;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room there',
  EDQUOT: "this user's share of the disk is used up; make room there",
  EACCES: 'this user may not; change the rights of the file or its directory',
  EPERM: 'this user may not; change the rights of the file or its directory',
  EROFS: 'it lies on a file system that cannot be written; choose another place',
  EEXIST: 'a file of that name is in the way; remove it or choose another place',
  EISDIR: 'it is a directory, not a file',
  ENOTDIR: 'a part of its path is a file, not a directory',
  ENAMETOOLONG: 'the path is too long; choose a shorter one',
};

/** Removes what processes that were killed while writing or locking the file left beside it. */
export function removeDeadTemporaries(path: string): void {
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(`${basename(path)}.`) ? /\.(\d+)(?:\.\d+)?\.tmp\b.*$/.exec(name)?.[1] : undefined;
    if (pid !== undefined && !identityOf(Number(pid))) rmSync(join(dirname(path), name), { force: true });
  }
}

/** The text of a file; undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FileError('reading', path, error);
  }
}

/** Somebody alive holds the lock. */
export class LockedError extends Error {
  override name = 'LockedError';
  readonly owner: LockOwner;

  constructor(path: string, owner: LockOwner) {
    super(owner.pid ? `${owner.what} (process ${owner.pid}) holds ${path}` : `another program holds ${path}`);
    this.owner = owner;
  }
}

export interface LockOwner extends ProcessIdentity {
  /** What it is doing, in words. */
  readonly what: string;
}

/**
 * Takes a lock or throws LockedError; a dead owner's lock is taken over. Returns the release. Lock files of other programs
 * are respected. The lock is a symbolic link that leads nowhere and whose text names the owner: it appears with its text,
 * and also on a full disk.
 */
export function lockFile(path: string, what: string): () => void {
  const own: LockOwner = { ...identityOf(process.pid)!, what };
  const text = JSON.stringify(own);
  makeDirectory(dirname(path));
  for (let attempt = 0; ; attempt++) {
    if (makeLock(path, text))
      return () => {
        if (readLock(path) === text) rmSync(path, { force: true });
      };
    const found = readLock(path);
    const owner = parseOwner(found);
    // Not one of ours (kubectl's are empty): nobody can tell whether its owner lives.
    if (found !== undefined && !owner) throw new LockedError(path, { pid: 0, start: '', what: '' });
    if (owner && isAlive(owner)) throw new LockedError(path, owner);
    if (attempt > 10) throw new Error(`taking lock ${path}: its owner is dead, but the file cannot be replaced`);
    takeAway(path, `${path}.${process.pid}.tmp`);
  }
}

/** False when there is one. */
function makeLock(path: string, text: string): boolean {
  try {
    symlinkSync(text, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new FileError('taking lock', path, error);
  }
}

/** True when somebody has the lock, alive or dead. */
export const isLocked = (path: string): boolean => readLock(path) !== undefined;

function readLock(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EINVAL' ? readIfThere(path) : undefined;
  }
}

// Moves a dead owner's lock aside; puts it back when somebody alive was quicker.
function takeAway(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const text = readLock(aside);
  const owner = parseOwner(text);
  // Where a third one has it now, the loop looks again.
  if (text && owner && isAlive(owner)) makeLock(path, text);
  rmSync(aside, { force: true });
}

function parseOwner(text: string | undefined): LockOwner | undefined {
  try {
    return text ? (JSON.parse(text) as LockOwner) : undefined;
  } catch {
    return undefined;
  }
}
