// Random workloads under random faults, one cluster a seed (test/simulation). `node tools/simulate.ts SEED` replays one
// and tells its story; `node tools/simulate.ts FIRST COUNT` runs many and prints those that fail.
import { simulate } from '../test/simulation/simulate.ts';

const [first = 0, count] = process.argv.slice(2).map(Number);

if (count === undefined) {
  const { violations, hash, writes } = await simulate(first, { quiet: '1h', talk: line => console.log(line) });
  console.log(`${writes} writes, history ${hash}`);
  for (const v of violations) console.log(`VIOLATED ${v}`);
  process.exitCode = violations.length ? 1 : 0;
} else {
  let failed = 0;
  for (let seed = first; seed < first + count; seed++) {
    const { violations } = await simulate(seed);
    if (violations.length === 0) continue;
    failed++;
    console.log(`seed ${seed}: ${violations.join('\n  ')}`);
  }
  console.log(`${count} seeds, ${failed} failed; replay one with: node tools/simulate.ts SEED`);
  process.exitCode = failed ? 1 : 0;
}
