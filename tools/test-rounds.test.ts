import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mayRunBesideOthers, roundsOf } from './test-rounds.ts';

const root = join(import.meta.dirname, '..');
const texts: Record<string, string> = {
  a: '// What a does.\n// Runs beside others: its cluster is its own.\n',
  b: '// What b does.\n',
  c: '// Runs beside others: its files, too.\n',
  d: '// It says: // Runs beside others: not a line of its own.\n',
  e: '// Runs beside others: \n',
};
const names = Object.keys(texts);

test('root tests run two at a time where their files say why they may, the others alone; slow ones one more than processors', () => {
  const rounds = (kind: 'slow' | 'root', files = names) => roundsOf(kind, files, f => texts[f]!, 2);
  assert.deepEqual(rounds('root'), [
    { files: ['a', 'c'], atOnce: 2 },
    { files: ['b', 'd', 'e'], atOnce: 1 },
  ]);
  assert.deepEqual(rounds('root', ['b']), [{ files: ['b'], atOnce: 1 }]);
  assert.deepEqual(rounds('slow'), [{ files: names, atOnce: 3 }]);
});

test('root tests that run beside others make what they need with names of their own', () => {
  const files = globSync('{src,test,examples}/**/*.root.test.ts', { cwd: root, exclude: ['**/node_modules/**'] });
  const marked = files.filter(f => mayRunBesideOthers(readFileSync(join(root, f), 'utf8')));
  assert.ok(marked.length > 1, `${marked}`);
  for (const file of marked)
    assert.match(readFileSync(join(root, file), 'utf8'), /\bnewLab\('|\$\{process\.pid\}|\bmkdtempSync\(/, file);
});
