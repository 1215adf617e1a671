import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WatchCache } from '../registry/watch-cache.ts';
import { inCidr } from './kernel/ip-allocator.ts';
import { planAddresses, portFindings } from './service-repair.ts';

const cacheOf = (objects: Record<string, object>) =>
  ({
    snapshot: () => ({
      scan: (_scope: string, _after: undefined, visit: (s: object) => void) => {
        for (const object of Object.values(objects)) visit({ object });
      },
    }),
    latest: (key: string) => (objects[key] ? { object: objects[key] } : undefined),
  }) as unknown as WatchCache;

const service = (name: string, clusterIPs: string[], nodePorts: number[] = []) => ({
  kind: 'Service',
  metadata: { name, namespace: 'a' },
  spec: { type: 'NodePort', clusterIPs, ports: nodePorts.map(nodePort => ({ port: 1, nodePort })) },
});
const address = (name: string, to: string, more: object = {}) => ({
  kind: 'IPAddress',
  metadata: {
    name,
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' },
  },
  spec: { parentRef: { group: '', resource: 'services', namespace: 'a', name: to } },
  ...more,
});
const cidrs = cacheOf({ k: { spec: { cidrs: ['10.0.0.0/24', 'fd00::/112'] } } });
const laterMs = Date.parse('2026-01-01T00:05:00Z');
const services = (...list: ReturnType<typeof service>[]) =>
  cacheOf(Object.fromEntries(list.map(s => [`a/${s.metadata.name}`, s])));
const addresses = (...list: ReturnType<typeof address>[]) =>
  cacheOf(Object.fromEntries(list.map(s => [s.metadata.name, s])));

test('addresses: each thing that can be wrong has its event, and what can be repaired is', () => {
  const plan = planAddresses(
    {
      services: services(
        service('fine', ['10.0.0.1', 'fd00::1']),
        service('headless', ['None']),
        service('lost', ['10.0.0.2']),
        service('far', ['10.1.0.1']),
        service('network', ['10.0.0.0']),
        service('broadcast', ['10.0.0.255']),
        service('broken', ['10.0.0.300']),
        service('twice', ['10.0.0.1']),
        service('moved', ['10.0.0.5']),
        service('foreign', ['10.0.0.6']),
      ),
      addresses: addresses(
        address('10.0.0.1', 'fine'),
        address('fd00::1', 'fine'),
        address('10.0.0.5', 'gone'),
        address('10.0.0.6', 'x', {
          spec: { parentRef: { group: 'e.com', resource: 'gateways', name: 'g' } },
          metadata: { name: '10.0.0.6' },
        }),
        address('10.0.0.7', 'gone'),
        address('10.0.0.8', 'fine'),
        address('10.0.0.9', 'gone', {
          metadata: { ...address('10.0.0.9', '').metadata, creationTimestamp: '2026-01-01T00:04:30Z' },
        }),
        address('10.0.0.10', 'x', {
          spec: { parentRef: { group: 'e.com', resource: 'gateways', namespace: 'a', name: 'g' } },
        }),
      ),
      cidrs,
    },
    laterMs,
  );
  assert.deepEqual(
    plan.findings.map(f => `${f.about.metadata.name} ${f.error} ${f.reason}: ${f.message}`),
    [
      'lost repair ClusterIPNotAllocated: Cluster IP [IPv4]: 10.0.0.2 is not allocated; repairing',
      'far outOfRange ClusterIPOutOfRange: Cluster IP [IPv4]: 10.1.0.1 is not within any configured Service CIDR; please recreate service',
      'network outOfRange ClusterIPOutOfRange: Cluster IP [IPv4]: 10.0.0.0 is not within any configured Service CIDR; please recreate service',
      'broadcast outOfRange ClusterIPOutOfRange: Cluster IP [IPv4]: 10.0.0.255 is not within any configured Service CIDR; please recreate service',
      'broken invalid ClusterIPNotValid: Cluster IP 10.0.0.300 is not a valid IP; please recreate Service',
      'twice duplicate ClusterIPAlreadyAllocated: Cluster IP [IPv4]:10.0.0.1 was assigned to multiple services; please recreate service',
      'moved repair ClusterIPNotAllocated: Cluster IP [IPv4]: 10.0.0.5 is not allocated; repairing',
      'foreign duplicate ClusterIPAlreadyAllocated: Cluster IP [IPv4]:10.0.0.6 was assigned to multiple services; please recreate service',
      '10.0.0.5 leak IPAddressNotAllocated: IPAddress: 10.0.0.5 for Service a/gone appears to have leaked: cleaning up',
      '10.0.0.7 leak IPAddressNotAllocated: IPAddress: 10.0.0.7 for Service a/gone appears to have leaked: cleaning up',
      '10.0.0.8 leak IPAddressWrongReference: IPAddress: 10.0.0.8 for Service a/fine has a wrong reference; cleaning up',
      '10.0.0.10 leak IPAddressNotAllocated: IPAddress 10.0.0.10 appears to have been modified, not referencing a Service &ParentReference{Group:e.com,Resource:gateways,Namespace:a,Name:g,}: cleaning up',
    ],
  );
  assert.deepEqual(
    plan.missing.map(m => `${m.ip} ${m.service.metadata.name}`),
    ['10.0.0.2 lost', '10.0.0.5 moved'],
  );
  assert.equal(plan.againMs, 30_000, 'when the young one is old enough');
  assert.deepEqual(plan.stale, ['10.0.0.5', '10.0.0.7', '10.0.0.8', '10.0.0.10']);
});

test('node ports out of range, given twice, or unknown to the record', () => {
  const found = portFindings(
    services(
      service('one', [], [30000, 30000, 30001]),
      service('two', [], [30001, 20000]),
      service('three', [], [30002]),
    ),
    [30000, 32767],
    new Set([30002, 30001]),
  );
  assert.deepEqual(
    found.map(f => `${f.about.metadata.name} ${f.error} ${f.reason}: ${f.message}`),
    [
      'one repair PortNotAllocated: Port 30001 is not allocated; repairing',
      'two duplicate PortAlreadyAllocated: Port 30001 was assigned to multiple services; please recreate service',
      'two outOfRange PortOutOfRange: Port 20000 is not within the port range 30000-32767; please recreate service',
      'three repair PortNotAllocated: Port 30002 is not allocated; repairing',
    ],
  );
});

test('ranges of both families', () => {
  assert.deepEqual(
    ['10.0.0.0', '10.0.0.255', '10.0.1.0', 'fd00::ffff', 'fd00::1:0', 'x'].map(ip => [
      inCidr('10.0.0.0/24', ip),
      inCidr('fd00::/112', ip),
    ]),
    [
      [true, false],
      [true, false],
      [false, false],
      [false, true],
      [false, false],
      [false, false],
    ],
  );
});
