// Names and sizes: file names that are not kebab-case fail; files and functions longer than the house style are listed.
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const longestFile = 300;
const longestFunction = 40;
const all = process.argv.includes('--all');
const shown = 10;

const files = globSync('{src,tools,bench,test}/**/*.ts', { cwd: root, exclude: ['**/node_modules/**'] }).sort();
const misnamed = files.filter(f => !/^[a-z0-9]+(-[a-z0-9]+)*(\.root|\.slow)?(\.test)?\.ts$/.test(basename(f)));
// Generated files and tests may be as long as they are.
const judged = files.filter(
  f => !/\.test\.ts$|src\/api\/type\/|src\/api\/refs\.ts|src\/cri\/(type|protobuf)\.ts/.test(f),
);

interface Long {
  readonly where: string;
  readonly lines: number;
}

/** Functions and methods, found by the indentation that the formatter gives them. */
function longFunctions(file: string, lines: readonly string[]): Long[] {
  const found: Long[] = [];
  lines.forEach((line, i) => {
    const head =
      /^(\s*)(?:export )?(?:async )?(?:function\*? ([\w$]+)|(?:static |async |\*)*(#?[\w$]+)\(.*\).*\{$)/.exec(line);
    const name = head?.[2] ?? head?.[3];
    if (!head || !name || ['if', 'for', 'while', 'switch', 'catch', 'return'].includes(name)) return;
    const end = lines.findIndex((l, j) => j > i && l === `${head[1]}}`);
    if (end - i + 1 > longestFunction) found.push({ where: `${file}:${i + 1} ${name}`, lines: end - i + 1 });
  });
  return found;
}

const longFiles: Long[] = [];
const functions: Long[] = [];
for (const file of judged) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  if (lines.length > longestFile) longFiles.push({ where: file, lines: lines.length });
  functions.push(...longFunctions(file, lines));
}

function print(what: string, list: readonly Long[]): void {
  const sorted = list.toSorted((a, b) => b.lines - a.lines);
  console.log(`sizes: ${list.length} ${what}`);
  for (const { where, lines } of all ? sorted : sorted.slice(0, shown)) console.log(`  ${lines} ${where}`);
  if (!all && sorted.length > shown) console.log(`  … (--all shows them)`);
}

print(`files of ${judged.length} have more than ${longestFile} lines`, longFiles);
print(`functions have more than ${longestFunction} lines`, functions);
for (const file of misnamed) console.error(`names: ${file} is not kebab-case`);
if (misnamed.length) process.exitCode = 1;
