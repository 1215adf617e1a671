// A minute of fuzzing. The seed stays, so that what is red was made so by a change and not by chance; with another one
// (K8TS_FUZZ_SEED) new ground is covered, as docs/fuzzing.md says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allTargets } from './all-targets.ts';
import { loopbackOnly } from './loopback-only.ts';
import { describeFinding, fuzz } from './run.ts';

// For good: what a fuzzed server still tries when it is stopped must not get out, either.
loopbackOnly();

test('nothing breaks in a minute of fuzzing', async () => {
  const seed = Number(process.env.K8TS_FUZZ_SEED ?? 20261122);
  const targets = allTargets();
  try {
    const findings = await fuzz(targets, { seed, seconds: 60 });
    assert.equal(findings.map(describeFinding).join('\n'), '', `seed ${seed}`);
  } finally {
    for (const target of targets) await target.close?.();
  }
});

test('the same seed gives the same inputs', async () => {
  const inputs = async (): Promise<unknown[]> => {
    const seen: unknown[] = [];
    const [json] = allTargets();
    const spied = { ...json!, run: (c: never) => json!.run(c, input => void seen.push(input)) };
    for (let only = 0; only < 20; only++) await fuzz([spied], { seed: 5, seconds: 5, only });
    return seen;
  };
  const first = await inputs();
  assert.equal(first.length, 20);
  assert.deepEqual(await inputs(), first);
});
