// Which tests of the official conformance suite a test of ours names, by area: `tools/conformance-coverage.ts [area…]`.
// A test names one by a comment or title with its exact name, up to the end of the line or the closing quote; the
// trailing "[Conformance]" may be left out.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Entry {
  readonly codename: string;
  readonly area: string;
}

const root = join(import.meta.dirname, '..');
const facts = JSON.parse(readFileSync(join(root, 'src/api/fact/conformance.json'), 'utf8')) as { tests: Entry[] };
const nameOf = (t: Entry) => t.codename.replace(/ \[Conformance\]$/, '');

function namedBy(): Map<string, string[]> {
  const files = globSync(['src/**/*.test.ts', 'test/**/*.ts'], { cwd: root });
  const names = new Set(facts.tests.map(nameOf));
  const found = new Map<string, string[]>();
  for (const file of files.sort()) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [line] of text.matchAll(/\[sig-[^\n]*/g)) {
      const name = [...prefixes(line)].find(p => names.has(p));
      if (!name) throw new Error(`${file}: no conformance test has the name ${JSON.stringify(line)}`);
      const by = found.get(name) ?? [];
      if (!by.includes(file)) by.push(file);
      found.set(name, by);
    }
  }
  return found;
}

/** The line up to each place where a name may end. */
function* prefixes(line: string): Iterable<string> {
  yield line.replace(/ \[Conformance\].*$/, '').trimEnd();
  for (const { index } of line.matchAll(/ \[Conformance\]|['"`]/g)) yield line.slice(0, index);
}

const wanted = process.argv.slice(2);
const found = namedBy();
const areas = Map.groupBy(facts.tests, t => t.area);
let covered = 0;
let total = 0;
for (const [area, tests] of [...areas].sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (wanted.length && !wanted.includes(area)) continue;
  const named = tests.filter(t => found.has(nameOf(t)));
  covered += named.length;
  total += tests.length;
  console.log(`${area}: ${named.length} of ${tests.length}`);
  for (const t of tests) console.log(`  ${found.get(nameOf(t))?.join(', ') ?? '-'}  ${nameOf(t)}`);
}
console.log(`${covered} of ${total} conformance tests are named by a test`);
