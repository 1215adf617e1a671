// Our own reliability test: clusters under random workloads and faults, each from a seed (see simulate.ts).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { seeds } from './seeds.ts';
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

test('nothing is written for an hour while nothing changes', async () => {
  const { violations } = await simulate(1, { quiet: '1h' });
  assert.deepEqual(violations, []);
});
