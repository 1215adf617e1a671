import { closeSync, constants, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Records are shorter. */
const recordBytes = 8192;

/** Everything the kernel's log holds, a record each. Throws where it may not be read. */
export function kernelRecords(): readonly string[] {
  const file = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(recordBytes);
  const records: string[] = [];
  try {
    for (;;) {
      const bytes = read(file, buffer);
      if (bytes === 0) return records;
      if (bytes > 0) records.push(buffer.toString('utf8', 0, bytes));
    }
  } finally {
    closeSync(file);
  }
}

/** 0 at the end; -1 where records were overwritten meanwhile. */
function read(file: number, buffer: Buffer): number {
  try {
    return readSync(file, buffer, 0, buffer.length, null);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN') return 0;
    if (code === 'EPIPE') return -1;
    throw error;
  }
}

/** How many processes the kernel has killed for the lack of memory; undefined where it does not count. */
export async function oomKills(): Promise<number | undefined> {
  const count = /^oom_kill (\d+)$/m.exec(await readFile('/proc/vmstat', 'utf8'))?.[1];
  return count === undefined ? undefined : Number(count);
}
