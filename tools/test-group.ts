// Runs several files of tests in one process, each as a suite of its own: most of a small file's time is loading what it
// tests. Hooks of a file stay its own. What never ends fails after two minutes. Usage: test-group.ts FILE…
import { describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';

// What turns red in continuous integration was broken by a change, not by chance; every other run explores.
const seed = process.env.K8TS_FUZZ_SEED ?? (process.env.CI ? '20261122' : undefined);
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

for (const file of process.argv.slice(2)) {
  describe(file, { timeout: 120_000 }, async () => {
    await import(pathToFileURL(file).href);
  });
}
