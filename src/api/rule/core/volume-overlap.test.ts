import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { overlapWarnings } from './volume-overlap.ts';

const warningsOf = (paths: readonly string[]) =>
  overlapWarnings({ name: 'v', configMap: { name: 'm', items: paths.map(path => ({ key: 'k', path })) } });

const covers = (folder: string, path: string) => path === folder || path.startsWith(`${folder}/`);

function oneByOne(paths: readonly string[]): string[] {
  const out: string[] = [];
  for (const [i, path] of paths.entries())
    for (const before of paths.slice(0, i))
      if (covers(path, before) || covers(before, path))
        out.push(`volume "v" (ConfigMap): overlapping paths: ${JSON.stringify(path)} with ${JSON.stringify(before)}`);
  return out;
}

test('each file is told of with those before it', () => {
  const random = seededRandom(11);
  const steps = ['a', 'b', 'a!', 'a0', '', '..'];
  const any = () =>
    Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => steps[Math.floor(random.next() * 6)]).join('/');
  for (let i = 0; i < 2000; i++) {
    const paths = Array.from({ length: Math.floor(random.next() * 10) }, any);
    assert.deepEqual(warningsOf(paths), oneByOne(paths), JSON.stringify(paths));
  }
});

test('of countless files no more is told than an answer has room for', () => {
  const many = 10_000;
  assert.equal(warningsOf(Array.from({ length: many }, () => 'x')).length, 100);
  assert.deepEqual(warningsOf(Array.from({ length: many }, (_, i) => `x${i}`)), []);
  assert.equal(warningsOf(Array.from({ length: 500 }, (_, i) => `x${'/x'.repeat(i)}`)).length, 100);
});
