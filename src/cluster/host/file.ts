import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';

/** Replaces a file in one step: readers see the old text or the new, also after a crash. */
export function writeFileAtomic(path: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'w', mode);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

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
    throw error;
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

/** Takes a lock file or throws LockedError; a dead owner's lock is taken over. Returns the release. Lock files of other programs are respected. */
export function lockFile(path: string, what: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  const own: LockOwner = { ...identityOf(process.pid)!, what };
  const temporary = `${path}.${process.pid}.${lockCount++}.tmp`;
  const text = JSON.stringify(own);
  writeFileAtomic(temporary, text);
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        // A link appears with its contents, so nobody ever reads a half-written lock.
        linkSync(temporary, path);
        return () => {
          if (readIfThere(path) === text) rmSync(path, { force: true });
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const found = readIfThere(path);
      const owner = parseOwner(found);
      // Not one of ours (kubectl's are empty): nobody can tell whether its owner lives.
      if (found !== undefined && !owner) throw new LockedError(path, { pid: 0, start: '', what: '' });
      if (owner && isAlive(owner)) throw new LockedError(path, owner);
      if (attempt > 10) throw new Error(`taking lock ${path}: its owner is dead, but the file cannot be replaced`);
      takeAway(path, `${temporary}.dead`);
    }
  } finally {
    rmSync(temporary, { force: true });
  }
}

let lockCount = 0;

// Moves a dead owner's lock aside; puts it back when somebody alive was quicker.
function takeAway(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const owner = parseOwner(readIfThere(aside));
  try {
    if (owner && isAlive(owner)) linkSync(aside, path);
  } catch {
    // A third one has it now; the loop looks again.
  } finally {
    rmSync(aside, { force: true });
  }
}

function parseOwner(text: string | undefined): LockOwner | undefined {
  try {
    return text ? (JSON.parse(text) as LockOwner) : undefined;
  } catch {
    return undefined;
  }
}
