// Makes dist/ for the published package: JavaScript and declarations, because Node runs no TypeScript below
// node_modules, the data files that lie beside the source, and the bundle that the command runs.
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'dist');

rmSync(out, { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
for (const file of globSync('src/**/*.json', { cwd: root }))
  cpSync(join(root, file), join(out, file.slice('src/'.length)));
await bundle(join(out, 'cluster', 'main.js'), join(out, 'bundle'));
