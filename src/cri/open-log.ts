import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises';

/**
 * Keeps short the log of a process that holds it open for appending and would go on writing to a renamed file: past
 * `maxBytes` it is copied to `path.1` and emptied, what was `path.1` becomes `path.2`, and so on up to `keep` old ones.
 * What is written between copy and emptying is lost.
 */
export async function rotateOpenLog(path: string, maxBytes = 10 << 20, keep = 2): Promise<void> {
  const size = await stat(path).then(
    s => s.size,
    () => 0,
  );
  if (size <= maxBytes) return;
  await rm(`${path}.${keep}`, { force: true });
  for (let i = keep - 1; i >= 1; i--) await rename(`${path}.${i}`, `${path}.${i + 1}`).catch(ignoreMissing);
  await copyFile(path, `${path}.1`);
  await truncate(path);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
