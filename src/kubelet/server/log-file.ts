// A container's log file, read once or followed across rotations.
import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LineCutter, type LogFilter, LogSelector, TailFinder } from './kernel/cri-log.ts';

export interface LogFileOptions {
  readonly path: string;
  readonly follow: boolean;
  /** From the end; undefined: everything. */
  readonly tailLines?: number;
  readonly filter: LogFilter;
  readonly clock: Clock;
  /** Following ends when the container has and everything is read. */
  isRunning(): boolean;
  readonly signal: AbortSignal;
}

const blockBytes = 64 << 10;
const checkMs = 1000;

/** Rejects with ENOENT where there is no such file. */
export async function* readLogFile(options: LogFileOptions): AsyncGenerator<Buffer> {
  const { path, follow, tailLines, filter, signal } = options;
  // A tail that is not followed ends after so many lines, whatever is added meanwhile.
  const selector = new LogSelector(follow || tailLines === undefined ? filter : { ...filter, lines: tailLines });
  const cutter = new LineCutter();
  const change = follow ? new FileChange(path, options.clock) : undefined;
  let file = await open(path, 'r');
  try {
    let position = tailLines === undefined ? 0 : await tailStart(file, tailLines);
    const block = Buffer.allocUnsafe(blockBytes);
    for (;;) {
      if (signal.aborted || selector.done) return;
      // Asked before reading: what was written while it ran is then read for sure.
      const running = follow && options.isRunning();
      change?.arm();
      const { bytesRead } = await file.read(block, 0, blockBytes, position);
      position += bytesRead;
      if (bytesRead) {
        const parts = cutter.push(Buffer.from(block.subarray(0, bytesRead))).flatMap(line => selector.take(line));
        if (parts.length) yield Buffer.concat(parts);
        continue;
      }
      const next = follow ? await rotated(file, path) : undefined;
      if (next) {
        // What the runtime still wrote between the last read and the rename.
        if ((await file.stat()).size > position) {
          await next.close();
          continue;
        }
        await file.close();
        file = next;
        position = 0;
        continue;
      }
      if (!running) break;
      await change!.wait(signal);
    }
    const rest = cutter.rest();
    if (rest.length) yield* selector.take(rest);
  } finally {
    change?.close();
    await file.close();
  }
}

async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  const finder = new TailFinder(lines);
  if (lines <= 0) return size;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - blockBytes);
    const block = Buffer.alloc(end - start);
    const { bytesRead } = await file.read(block, 0, block.length, start);
    const found = finder.add(block.subarray(0, bytesRead), start);
    if (found !== undefined) return found;
    end = start;
  }
  return 0;
}

/** The file that took the place of the one read; undefined while there is none. */
async function rotated(file: FileHandle, path: string): Promise<FileHandle | undefined> {
  try {
    const [now, own] = await Promise.all([stat(path), file.stat()]);
    return now.ino === own.ino ? undefined : await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Tells that something happened to a file, at the latest after a second. */
class FileChange {
  readonly #clock: Clock;
  readonly #watcher: ReturnType<typeof watch> | undefined;
  #seen = false;
  #wake: (() => void) | undefined;

  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    const name = basename(path);
    try {
      this.#watcher = watch(dirname(path), (_event, file) => {
        if (file !== null && file !== name) return;
        this.#seen = true;
        this.#wake?.();
      });
      this.#watcher.on('error', () => {});
    } catch {
      // No watches left: asking once a second does it too.
    }
  }

  /** Forgets what happened before. */
  arm(): void {
    this.#seen = false;
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (this.#seen || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(checkMs, resolve);
    // One for each wait would add up while a log is followed for days.
    signal.addEventListener('abort', resolve as () => void, { once: true });
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    timer.cancel();
    signal.removeEventListener('abort', resolve as () => void);
  }

  close(): void {
    this.#watcher?.close();
  }
}
