// Files that hold secrets: mode 0600, replaced in one step, durable before the promise resolves.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Random } from './random.ts';

/** The text, or undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`read "${path}": ${(error as Error).message}`, { cause: error });
  }
}

/** Readers see the old content or the new, never a part; the directory is made with mode 0700. */
export async function writeSecretFile(path: string, text: string, random: Random): Promise<void> {
  const directory = dirname(path);
  const temporary = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}.tmp`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new Error(`write "${path}": ${(error as Error).message}`, { cause: error });
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
