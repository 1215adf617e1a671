// The invariants are worth something: each controller broken on purpose is caught by one of the first few hundred seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installMutants, mutants, wakeMutant } from './mutants.ts';
import { seeds } from './seeds.ts';

installMutants();
// Loaded only now, with the mutants in its controllers.
const { simulate } = await import('./simulate.ts');

test('with all mutants asleep nothing is violated', async () => {
  assert.deepEqual((await simulate(0, { quiet: '1m' })).violations, []);
});

for (const { name, firstSeed } of mutants)
  test(`${name}: caught`, async t => {
    wakeMutant(name);
    try {
      // Begun where it was caught before, to be quick; all seeds that run in every test are tried in the end.
      for (const seed of [firstSeed, ...Array.from({ length: seeds }, (_, i) => i)]) {
        const [violation] = (await simulate(seed, { quiet: '1m' })).violations;
        if (violation === undefined) continue;
        t.diagnostic(`seed ${seed}: ${violation.slice(0, 200)}`);
        return;
      }
      assert.fail(`none of ${seeds} seeds noticed`);
    } finally {
      wakeMutant(undefined);
    }
  });
