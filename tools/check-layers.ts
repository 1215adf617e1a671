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
const folderImports = new Map<string, Map<string, string>>();
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
    const [a, b] = [dirname(file), dirname(target)];
    if (a !== b && !test) {
      if (!folderImports.has(a)) folderImports.set(a, new Map());
      folderImports.get(a)!.set(b, file);
    }
  }
}

// Mutual folders: a imports b and b imports a, at any distance.
const reach = (from: string, to: string, seen = new Set<string>()): boolean => {
  for (const next of folderImports.get(from)?.keys() ?? []) {
    if (next === to) return true;
    if (!seen.has(next)) {
      seen.add(next);
      if (reach(next, to, seen)) return true;
    }
  }
  return false;
};
for (const [a, targets] of folderImports)
  for (const [b, file] of targets) if (reach(b, a)) problems.push(`src/${file}: ${a} and ${b} import each other`);

for (const p of problems) console.error(p);
if (problems.length) process.exit(1);
console.log(`layers: ${files.length} files, no forbidden import`);
