import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Node } from '../../api/type/core-v1.ts';
import { parseRouteList, planRoutes, routeChanges } from './route-plan.ts';

const node = (name: string, podCIDRs: string[], address?: string): Node => ({
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { podCIDRs, ...(podCIDRs[0] ? { podCIDR: podCIDRs[0] } : {}) },
  status: { addresses: address ? [{ type: 'InternalIP', address }] : [] },
});

test('routes lead to the other nodes that have a range and an address', () => {
  const nodes = [
    node('node-1', ['10.244.0.0/24'], '10.8.3.10'),
    node('node-2', ['10.244.1.0/24', 'fd00:1::/64'], '10.8.3.11'),
    node('node-3', [], '10.8.3.12'),
    node('node-4', ['10.244.3.0/24']),
  ];
  assert.deepEqual([...planRoutes(nodes, 'node-1')], [['10.244.1.0/24', '10.8.3.11']]);
  assert.deepEqual([...planRoutes(nodes, 'node-2')], [['10.244.0.0/24', '10.8.3.10']]);
});

test('only differences become commands', () => {
  const have = new Map([
    ['10.244.1.0/24', '10.8.3.11'],
    ['10.244.2.0/24', '10.8.3.12'],
  ]);
  const want = new Map([
    ['10.244.2.0/24', '10.8.3.99'],
    ['10.244.3.0/24', '10.8.3.13'],
  ]);
  assert.deepEqual(routeChanges(have, want, 'eth0'), [
    'route del 10.244.1.0/24 proto 107',
    'route replace 10.244.2.0/24 via 10.8.3.99 dev eth0 proto 107',
    'route replace 10.244.3.0/24 via 10.8.3.13 dev eth0 proto 107',
  ]);
  assert.deepEqual(routeChanges(want, want, 'eth0'), []);
});

test('carrying out the changes gives what is wanted', () => {
  const routes = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })))
    .map(l => new Map(l.map(([r, v]) => [`10.244.${r}.0/24`, `10.8.3.${v}`])));
  fc.assert(
    fc.property(routes, routes, (have, want) => {
      const table = new Map(have);
      for (const line of routeChanges(have, want, 'eth0')) {
        const words = line.split(' ');
        if (words[1] === 'del') table.delete(words[2]!);
        else table.set(words[2]!, words[4]!);
      }
      assert.deepEqual(new Map([...table].sort()), new Map([...want].sort()));
    }),
  );
});

test("iproute2's answer: ours, and the ranges of others", () => {
  const list = [
    { dst: '10.244.1.0/24', gateway: '10.8.3.11', dev: 'eth0', protocol: '107', flags: [] },
    { dst: '10.96.0.0/12', dev: 'eth0', protocol: '107', scope: 'link', prefsrc: '10.8.3.10', flags: [] },
    { dst: '10.244.0.0/24', dev: 'cni0', protocol: 'kernel', scope: 'link', prefsrc: '10.244.0.1', flags: [] },
    // The kernel's word for a route set by hand or by a pod network is left out.
    { dst: '10.244.2.0/24', gateway: '10.244.2.0', dev: 'flannel.1', flags: ['onlink'] },
  ];
  const list6 = [
    { dst: 'fd00:1::/64', gateway: 'fd00::b', dev: 'eth0', protocol: '107', metric: 1024, flags: [], pref: 'medium' },
    { dst: 'fe80::/64', dev: 'eth0', protocol: 'kernel', metric: 256, flags: [], pref: 'medium' },
  ];
  assert.deepEqual(parseRouteList([JSON.stringify(list), JSON.stringify(list6)]), {
    ours: new Map([
      ['10.244.1.0/24', '10.8.3.11'],
      ['fd00:1::/64', 'fd00::b'],
    ]),
    others: new Set(['10.244.2.0/24']),
  });
  assert.deepEqual(parseRouteList(['', '']), { ours: new Map(), others: new Set() });
});
