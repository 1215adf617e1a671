// Runs beside others: it makes network namespaces of its own names, and looks at nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { AddressWithdrawal } from './address-withdrawal.ts';

const prefix = `k8tsw-${process.pid}`;
const [node, pod] = [`${prefix}-node`, `${prefix}-pod`];
const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' });
const gone = ['10.244.0.3', 'fd00:244::3'];

before(() => {
  for (const name of [node, pod]) ip('netns', 'add', name);
  ip('-n', node, 'link', 'add', 'cni0', 'type', 'bridge');
  ip('-n', node, 'link', 'set', 'cni0', 'up');
  ip('-n', node, 'link', 'add', 'veth1', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod);
  ip('-n', node, 'link', 'set', 'veth1', 'master', 'cni0', 'up');
  ip('-n', pod, 'addr', 'add', '10.244.0.2/24', 'dev', 'eth0');
  ip('-n', pod, 'addr', 'add', 'fd00:244::2/64', 'dev', 'eth0', 'nodad');
  ip('-n', pod, 'link', 'set', 'eth0', 'up');
});

after(() => {
  for (const name of [node, pod]) ip('netns', 'del', name);
});

test('pods are told of both families that the address of one that has gone leads to the node now', async () => {
  // As if it had just answered.
  for (const address of gone)
    ip('-n', pod, 'neigh', 'add', address, 'lladdr', '02:00:00:00:00:03', 'dev', 'eth0', 'nud', 'reachable');
  const mac = /link\/ether (\S+)/.exec(ip('-n', node, 'link', 'show', 'cni0'))![1]!;
  const network = { name: 'net', leaseDir: '/nonexistent' };
  const withdrawal = new AddressWithdrawal({ network, clock: systemClock, log: silentLog, namespace: node });
  // A link that has just come up is not forwarded to yet.
  const endMs = systemClock.monotonic() + 20_000;
  const leads = () => gone.every(address => ip('-n', pod, 'neigh', 'show', address).includes(`lladdr ${mac} `));
  while (!leads() && systemClock.monotonic() < endMs) {
    withdrawal.withdraw({
      interfaces: [{ name: 'cni0', mac }],
      ips: gone.map(address => ({ address: `${address}/24` })),
    });
    await systemClock.sleep(300);
  }
  withdrawal.stop();
  assert.ok(leads(), ip('-n', pod, 'neigh', 'show'));
  // And it is not the node's address.
  assert.ok(!/244(\.0\.|::)3/.test(ip('-n', node, 'addr', 'show', 'cni0')));
});
