// Fuzzes what reads input of clients:
//   node bin/node26.js tools/fuzz.ts [target…] [--seconds N] [--seed S] [--case N] [--list]
// N seconds in all, shared by the targets as they weigh. The seed is printed: with it and the number of a case everything happens again.
import { parseArgs } from 'node:util';
import { allTargets } from './fuzz/all-targets.ts';
import { loopbackOnly } from './fuzz/loopback-only.ts';
import { fuzz } from './fuzz/run.ts';

loopbackOnly();

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    case: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const targets = allTargets();
const names = targets.map(t => t.name);
if (values.list) console.log(names.join('\n'));
else {
  const unknown = positionals.filter(p => !names.includes(p));
  if (unknown.length) throw new Error(`no target ${unknown.join(', ')}: there are ${names.join(', ')}`);
  const chosen = positionals.length ? targets.filter(t => positionals.includes(t.name)) : targets;
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed ${seed}`);
  const findings = await fuzz(chosen, {
    seed,
    seconds: Number(values.seconds),
    only: values.case === undefined ? undefined : Number(values.case),
    report: line => console.log(line),
  });
  for (const target of chosen) await target.close?.();
  process.exitCode = findings.length ? 1 : 0;
}
