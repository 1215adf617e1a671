// Our own reliability test: clusters under random workloads and faults, each from a seed (see simulate.ts).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { onceWrong, seeds } from './seeds.ts';
import { simulate } from './simulate.ts';

const run = promisify(execFile);
const program = resolve(import.meta.dirname, '../../tools/simulate.ts');
const processes = 2;

test(`${seeds} seeds: nothing is violated on the way, all settles, and then nothing is written`, async () => {
  const share = seeds / processes;
  await Promise.all(
    Array.from({ length: processes }, async (_, i) => {
      try {
        await run(process.execPath, [program, String(i * share), String(share)]);
      } catch (error) {
        assert.fail((error as { stdout?: string }).stdout ?? String(error));
      }
    }),
  );
});

test('the same seed gives the same history', async () => {
  for (const seed of [7, 11]) {
    const first = await simulate(seed);
    const second = await simulate(seed);
    assert.deepEqual(second.story, first.story);
    assert.equal(second.writes, first.writes);
    assert.equal(second.hash, first.hash);
  }
});

test('five runs of one seed, with faults of every kind, write the same bytes in the same order', async () => {
  const seed = 4;
  const transcript = async (): Promise<string[]> => {
    const lines: string[] = [];
    const { story } = await simulate(seed, {
      record: ({ type, key, revision, value }) => lines.push(`${revision} ${type} ${key} ${Buffer.from(value)}`),
    });
    for (const trouble of ['"fault":"slow"', '"fault":"conflict"', 'watches broken', 'crash {', 'power off'])
      assert.ok(
        story.some(line => line.includes(trouble)),
        `the seed has no ${trouble}`,
      );
    return lines;
  };
  const first = await transcript();
  assert.ok(first.length > 300);
  for (let i = 2; i <= 5; i++) {
    const again = await transcript();
    const at = again.findIndex((line, k) => line !== first[k]);
    assert.equal(again[at], first[at], `run ${i}, write ${at}`);
    assert.equal(again.length, first.length, `run ${i}`);
  }
});

test('what once went wrong stays right', async () => {
  for (const seed of onceWrong) assert.deepEqual((await simulate(seed)).violations, [], `seed ${seed}`);
});

test('nothing is written for an hour while nothing changes', async () => {
  const { violations } = await simulate(1, { quiet: '1h' });
  assert.deepEqual(violations, []);
});
