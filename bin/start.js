#!/usr/bin/env node
// npm start: sets everything up and brings up a cluster of two nodes. Arguments go to `k8ts up`.
import { mainScript } from './entry.js';
import { installPackages, makeBundle, noContainersBecause, runNode } from './prepare.js';

process.on('SIGINT', () => {}); // The child gets it too and decides.
const args = process.argv.slice(2);
const yes = args.includes('--yes') || args.includes('-y') ? ['--yes'] : [];
const forUp = args.filter(a => a !== '--yes' && a !== '-y');

installPackages(yes.length > 0);
makeBundle();
const main = mainScript();
if (args.includes('--help') || args.includes('-h')) process.exit(runNode(main, ['up', '--help']));
const reason = noContainersBecause();
const simulate = forUp.some(a => a === '--simulate' || a.startsWith('--simulate='));
const counted = forUp.some(
  (a, i) => /^--(nodes|config|simulate=)/.test(a) || (a === '--simulate' && /^\d+$/.test(forUp[i + 1] ?? '')),
);
const nodes = counted ? [] : ['--nodes', '2'];
if (simulate || reason) {
  if (!simulate) process.stderr.write(`k8ts: simulated nodes instead of containers: ${reason}\n`);
  process.exit(runNode(main, ['up', ...forUp, ...nodes, ...(simulate ? [] : ['--simulate'])]));
}
const status = runNode(main, ['setup', ...yes]);
if (status !== 0) process.exit(status);
process.exit(runNode(main, ['up', ...forUp, ...nodes]));
