// Fails on an import that ARCHITECTURE.md's layer table does not allow, on cycles between folders of src/, and on impure kernels.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');

const table = new Map<string, Set<string>>();
for (const line of readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('\n')) {
  const cells = line.split('|').map(c => c.trim());
  if (cells.length === 5 && /^[a-z]+$/.test(cells[1]!) && cells[1] !== 'folder') {
    table.set(
      cells[1]!,
      new Set(
        cells[3]!
          .split(',')
          .map(s => s.trim())
          .filter(Boolean),
      ),
    );
  }
}

const problems: string[] = [];
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(f => f.endsWith('.ts'));
const fileImports = new Map<string, string[]>();
for (const file of files) {
  const layer = file.split('/')[0]!;
  if (file.includes('/') && !table.has(layer))
    problems.push(`src/${file}: folder ${layer} is not in ARCHITECTURE.md's layer table`);
  const text = readFileSync(join(src, file), 'utf8');
  const test = /\.test\.ts$|conformance\.ts$/.test(file);
  for (const [, from] of text
    .matchAll(/^\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]/gm)
    .map(m => [m[0], m[1] ?? m[2]])) {
    if (!from) continue;
    const inKernel = file.includes('/kernel/') && !test;
    if (!from.startsWith('.')) {
      if (inKernel) problems.push(`src/${file}: a kernel imports ${from}`);
      continue;
    }
    const target = relative(src, resolve(src, dirname(file), from));
    if (target.startsWith('..')) {
      if (!test) problems.push(`src/${file}: imports ${from}, outside src/`);
      continue;
    }
    const targetLayer = target.split('/')[0]!;
    if (targetLayer !== layer && file.includes('/') && !table.get(layer)?.has(targetLayer) && !test) {
      problems.push(`src/${file}: ${layer} may not import ${targetLayer} (${from})`);
    }
    if (!test) {
      if (!fileImports.has(file)) fileImports.set(file, []);
      fileImports.get(file)!.push(target);
    }
  }
}

// Cycles between files, type imports included: depth first, each file once.
const state = new Map<string, 'open' | 'done'>();
const visit = (file: string, trail: readonly string[]): void => {
  state.set(file, 'open');
  for (const next of fileImports.get(file) ?? []) {
    if (state.get(next) === 'open')
      problems.push(`cycle: ${[...trail.slice(trail.indexOf(next)), file, next].map(f => `src/${f}`).join(' -> ')}`);
    else if (!state.has(next)) visit(next, [...trail, file]);
  }
  state.set(file, 'done');
};
for (const file of files) if (!state.has(file)) visit(file, []);

for (const p of problems) console.error(p);
if (problems.length) process.exit(1);
console.log(`layers: ${files.length} files, no forbidden import`);
