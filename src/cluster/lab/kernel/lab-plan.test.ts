import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  chooseNodeCidr,
  cidrsOverlap,
  egressLinkOf,
  hostAddress,
  isLabNamespace,
  nodeNamespaceOf,
  planLab,
  switchNamespaceOf,
} from './lab-plan.ts';

const clusterName = fc.stringMatching(/^[a-z]([-a-z0-9]{0,20}[a-z0-9])?$/);

test('a lab of two nodes', () => {
  const plan = planLab({ cluster: 'dev', nodes: 2, nodeCidr: '10.8.3.0/24', egress: false });
  assert.deepEqual(plan.nodes, [
    { name: 'node-1', namespace: 'k8ts-dev-node-1', address: '10.8.3.10' },
    { name: 'node-2', namespace: 'k8ts-dev-node-2', address: '10.8.3.11' },
  ]);
  assert.equal(plan.egress, undefined);
  assert.deepEqual(plan.create, [
    'netns add k8ts-dev-switch',
    'netns add k8ts-dev-node-1',
    'netns add k8ts-dev-node-2',
    'link add eth0 netns k8ts-dev-node-1 type veth peer name node-1 netns k8ts-dev-switch',
    'link add eth0 netns k8ts-dev-node-2 type veth peer name node-2 netns k8ts-dev-switch',
  ]);
  assert.deepEqual(plan.configure[2], {
    namespace: 'k8ts-dev-node-2',
    lines: ['link set lo up', 'addr add 10.8.3.11/24 dev eth0', 'link set eth0 up'],
  });
  assert.ok(!JSON.stringify(plan).includes('default'), 'no way out without egress');
});

test('egress adds one link, one table and a default route', () => {
  const plan = planLab({ cluster: 'dev', nodes: 1, nodeCidr: '10.8.3.0/24', egress: true });
  assert.ok(plan.egress);
  assert.ok(plan.egress.link.length <= 15);
  assert.match(plan.egress.rules, /ip saddr 10\.8\.3\.0\/24 oifname != "k8ts-[0-9a-f]{8}" masquerade/);
  assert.ok(plan.configure[1]!.lines.includes('route add default via 10.8.3.1 dev eth0'));
});

test('the number of nodes is bounded', () => {
  for (const nodes of [0, -1, 1.5, 201])
    assert.throws(() => planLab({ cluster: 'dev', nodes, nodeCidr: '10.8.3.0/24', egress: false }), /must be between/);
  const addresses = planLab({ cluster: 'dev', nodes: 200, nodeCidr: '10.8.3.0/24', egress: false }).nodes;
  assert.equal(new Set(addresses.map(n => n.address)).size, 200);
});

test('no namespace belongs to two clusters', () => {
  fc.assert(
    fc.property(clusterName, clusterName, fc.integer({ min: 1, max: 200 }), (a, b, n) => {
      fc.pre(a !== b);
      for (const own of [switchNamespaceOf(a), nodeNamespaceOf(a, `node-${n}`)]) {
        assert.ok(isLabNamespace(a, own));
        assert.ok(!isLabNamespace(b, own), `${own} would belong to ${a} and ${b}`);
      }
    }),
  );
  assert.ok(!isLabNamespace('a', 'k8ts-a-1-switch'));
  assert.ok(!isLabNamespace('a', 'k8ts-a-node-1-switch'));
});

test('link names fit', () => {
  fc.assert(fc.property(clusterName, name => egressLinkOf(name).length <= 15));
});

test('a free node network is chosen, the same for the same name', () => {
  const first = chooseNodeCidr('dev', []);
  assert.ok(first);
  assert.equal(chooseNodeCidr('dev', ['192.168.1.0/24']), first);
  const second = chooseNodeCidr('dev', [first]);
  assert.ok(second && second !== first);
  assert.equal(chooseNodeCidr('dev', ['10.0.0.0/8']), undefined);
  assert.equal(chooseNodeCidr('dev', ['0.0.0.0/0']), undefined);
});

test('ranges', () => {
  assert.ok(cidrsOverlap('10.8.0.0/16', '10.8.3.0/24'));
  assert.ok(!cidrsOverlap('10.8.2.0/24', '10.8.3.0/24'));
  assert.ok(cidrsOverlap('10.8.3.77/24', '10.8.3.9/32'));
  assert.equal(hostAddress('10.8.3.0/24', 10), '10.8.3.10');
  assert.throws(() => hostAddress('10.8.3.0/30', 3), /no address/);
});
