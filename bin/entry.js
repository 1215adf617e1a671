// Which file is the program: in the repository the TypeScript source, or the bundle made of exactly this source, which
// starts faster; in a published package the bundle in dist/, because Node runs no .ts below node_modules.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './node26.js';

const source = join(root, 'src', 'cluster', 'main.ts');
export const bundleFolder = join(root, '.cache', 'bundle');

/** The script to run for the command and for its daemons. */
export function mainScript() {
  if (!existsSync(source)) return join(root, 'dist', 'bundle', 'main.js');
  return currentBundle() ?? source;
}

/** Path of the bundle's entry, when it was made of the source as it is. */
export function currentBundle() {
  try {
    const { folder, ...madeOf } = JSON.parse(readFileSync(join(bundleFolder, 'current.json'), 'utf8'));
    const main = join(bundleFolder, folder, 'main.js');
    const now = sourceState();
    const same = madeOf.files === now.files && madeOf.newestMs === now.newestMs && existsSync(main);
    return same ? main : undefined;
  } catch {
    return undefined;
  }
}

/** What changes with every change of the source: the number of its files, and when the newest was written. */
export function sourceState() {
  const state = { files: 0, newestMs: 0 };
  const folders = [join(root, 'src')];
  for (const folder of folders) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      if (!entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue;
      state.files++;
      state.newestMs = Math.max(state.newestMs, statSync(path).mtimeMs);
    }
  }
  return state;
}
