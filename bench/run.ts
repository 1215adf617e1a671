// `npm run bench [NAME …]`: figures beside a raw limit taken in the same run. Names: api, many, crd, scheduler, simulation,
// churn, owners, lab (needs root); all by default.
import { makeBundle } from '../bin/prepare.js';
import { printTable } from './report.ts';

const benches: Readonly<Record<string, () => Promise<void>>> = {
  api: async () => (await import('./api.ts')).benchApi(),
  many: async () => (await import('./many.ts')).benchMany(),
  crd: async () => (await import('./crd.ts')).benchCrd(),
  scheduler: async () => (await import('./scheduler.ts')).benchScheduler(),
  simulation: async () => (await import('./simulation.ts')).benchSimulation(),
  churn: async () => (await import('./churn.ts')).benchChurn(),
  owners: async () => (await import('./owners.ts')).benchOwners(),
  lab: async () => (await import('./lab.ts')).benchLab(),
};

makeBundle();
const asked = process.argv.slice(2);
for (const name of asked) {
  if (benches[name]) continue;
  console.error(`bench: there is no ${JSON.stringify(name)}; there are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
for (const name of asked.length ? asked : Object.keys(benches)) await benches[name]!();
printTable();
