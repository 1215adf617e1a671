#!/usr/bin/env node
// npm test: sets everything up, then the gate (format, lint, types, layers, unit tests) and the tests that need root.
import { spawnSync } from 'node:child_process';
import { root } from './node26.js';
import { installPackages, makeBundle, noContainersBecause, runNode } from './prepare.js';

process.on('SIGINT', () => {}); // The children get it too.
const args = process.argv.slice(2);
const yes = args.includes('--yes') || args.includes('-y') ? ['--yes'] : [];

installPackages(yes.length > 0);
makeBundle();
const reason = noContainersBecause();
if (!reason) {
  // Debian's etcd comes with a service that starts: not on anybody's own machine.
  const etcd = process.env.CI ? ['--etcd'] : [];
  const status = runNode('src/cluster/main.ts', ['setup', ...yes, ...etcd]);
  if (status !== 0) process.exit(status);
}
const gate = spawnSync('npm', ['run', '--silent', 'ok'], {
  cwd: root,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (gate.status !== 0) process.exit(gate.status ?? 1);
const slow = runNode('tools/run-tests.ts', ['slow']);
if (slow !== 0) process.exit(slow);
process.exit(runNode('tools/run-tests.ts', reason ? ['list-root', reason] : ['root']));
