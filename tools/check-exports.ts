// Fails on what src/ exports and nobody names: neither another file of the project nor its own.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const exclude = ['**/node_modules/**'];
const files = globSync('{bench,bin,examples,src,test,tools}/**/*.{ts,js}', { cwd: root, exclude });
// Generated ones have all there is, and indexes are what the package offers.
const judged = (file: string) =>
  file.startsWith('src/') && !/\/(type|generated)\/|\/(index|refs|type|protobuf)\.ts$|\.test\.ts$/.test(file);

/** How often each word stands in all files. */
const counts = new Map<string, number>();
const exported: [file: string, name: string][] = [];
for (const file of files) {
  const text = readFileSync(join(root, file), 'utf8');
  for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
  if (!judged(file)) continue;
  const definitions = text.matchAll(
    /^export (?:async )?(?:abstract )?(?:const|function\*?|class|interface|type) ([\w$]+)/gm,
  );
  for (const [, name] of definitions) exported.push([file, name!]);
}
const unused = exported.filter(([, name]) => counts.get(name) === 1);
for (const [file, name] of unused) console.error(`${file}: nobody uses ${name}`);
if (unused.length) process.exitCode = 1;
else console.log(`exports: ${exported.length}, each is named elsewhere or used where it is`);
