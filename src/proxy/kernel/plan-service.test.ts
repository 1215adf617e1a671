import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../api/type/core-v1.ts';
import { isEligible, nodePortAddresses } from './node.ts';
import { chainName } from './plan-service.ts';
import { ServiceMap } from './service-map.ts';
import { testService, testSlice } from './test-objects.ts';

/** Elements as `set key : data`, chains as `name: rule; rule`, with names without their hashes. */
function rules(service: Service, endpoints: readonly string[], options = {}): string[] {
  const map = new ServiceMap(options);
  const key = map.putService(service);
  map.putSlice(testSlice('web', endpoints));
  if (!key) return ['not ours'];
  const plan = map.plan(key, [4], { nodeName: 'a', zone: undefined, podCidrs: ['10.244.0.0/16', 'fd00::/64'] })!;
  const { elements, chains, sets } = plan.rules.get(4)!;
  const plain = (text: string) => text.replaceAll(/-[0-9a-f]{16}-default\/web/g, '');
  return [
    ...elements.map(e => `${e.set} ${e.key}${e.data ? ` : ${e.data}` : ''}`),
    ...chains.map(c => `${c.name}: ${c.rules.join('; ')}`),
    ...sets.map(s => `${s.name}: ${s.declaration}`),
  ].map(plain);
}
const ip = { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'] };
const two = ['10.244.0.1@a', '10.244.1.1@b'];

test('a cluster IP is a handful of map elements', () => {
  assert.deepEqual(rules(testService('web', ip), two), [
    'cluster-ips 10.96.0.1',
    'service-ips 10.96.0.1 . tcp . 80 : goto cluster-2',
    'endpoints 10.96.0.1 . tcp . 80 . 0 : 10.244.0.1 . 8080',
    'endpoints 10.96.0.1 . tcp . 80 . 1 : 10.244.1.1 . 8080',
    'hairpin-endpoints 10.244.0.1 . 10.244.0.1',
  ]);
});

test('external addresses lead to a service unless they are not to', () => {
  const claims = testService('web', { ...ip, externalIPs: ['192.0.2.7'] });
  const reached = (options = {}) => rules(claims, two, options).filter(r => r.includes('192.0.2.7'));
  assert.equal(reached().length, 3);
  assert.deepEqual(reached({ externalIps: false }), []);
  assert.deepEqual(rules(claims, two, { externalIps: false }), rules(testService('web', ip), two));
});

test('without endpoints it refuses; with endpoints only elsewhere it drops', () => {
  assert.equal(rules(testService('web', ip), [])[1], 'no-endpoint-services 10.96.0.1 . tcp . 80 : goto reject-chain');
  const local = testService('web', { ...ip, internalTrafficPolicy: 'Local' });
  assert.equal(rules(local, [two[1]!])[1], 'no-endpoint-services 10.96.0.1 . tcp . 80 : drop');
});

test('policy Local sorts by where traffic comes from', () => {
  const ports = [{ name: 'p', protocol: 'TCP', port: 80, nodePort: 30080 }];
  const local = testService('web', { ...ip, type: 'NodePort', ports, externalTrafficPolicy: 'Local' });
  const found = rules(local, two);
  assert.ok(found.includes('service-nodeports tcp . 30080 : goto external/tcp/p'));
  assert.deepEqual(
    found.filter(l => l.includes('/tcp/p: ')),
    [
      'cluster/tcp/p: meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.244.0.1 . 8080, 1 : 10.244.1.1 . 8080 }',
      'local/tcp/p: meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.244.0.1 . 8080 }',
      'external/tcp/p: ip saddr { 10.244.0.0/16 } goto cluster/tcp/p; fib saddr type local jump mark-for-masquerade; fib saddr type local goto cluster/tcp/p; goto local/tcp/p',
    ],
  );
});

test('affinity remembers for as long as the service says', () => {
  const sticky = testService('web', {
    ...ip,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
  });
  const found = rules(sticky, [two[0]!]);
  assert.ok(found.includes('service-ips 10.96.0.1 . tcp . 80 : goto cluster/tcp/p'));
  assert.match(found.at(-1)!, /^affinity\/tcp\/p\/10\.244\.0\.1\/8080\/60: .* timeout 60s;/);
});

test('many endpoints have a chain of their own', () => {
  const many = Array.from({ length: 65 }, (_, i) => `10.244.1.${i + 1}`);
  const found = rules(testService('web', { ...ip, externalIPs: ['192.0.2.1'] }), many);
  assert.ok(found.includes('service-ips 10.96.0.1 . tcp . 80 : goto cluster/tcp/p'));
  assert.ok(found.some(l => l === 'external/tcp/p: jump mark-for-masquerade; goto cluster/tcp/p'));
});

test('headless services, external names and those of other proxies are left out', () => {
  assert.deepEqual(rules(testService('web', { clusterIP: 'None' }), two), ['not ours']);
  assert.deepEqual(rules(testService('web', { type: 'ExternalName', externalName: 'x' }), two), ['not ours']);
  const labels = { 'service.kubernetes.io/service-proxy-name': 'other' };
  assert.deepEqual(rules(testService('web', ip, { metadata: { name: 'web', namespace: 'default', labels } }), two), [
    'not ours',
  ]);
  const headless = { 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/headless': '' };
  const map = new ServiceMap();
  assert.equal(
    map.putSlice(testSlice('web', two, { metadata: { name: 's', namespace: 'default', labels: headless } })),
    undefined,
  );
});

test('health checks count local endpoints of load balancers with policy Local', () => {
  const map = new ServiceMap();
  const spec = { ...ip, type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 };
  const ports = [{ name: 'p', protocol: 'TCP', port: 80, nodePort: 30080 }];
  map.putService(testService('web', { ...spec, ports }));
  map.putSlice(testSlice('web', two));
  const plan = map.plan('default/web', [4], { nodeName: 'a', zone: undefined, podCidrs: [] })!;
  assert.deepEqual(plan.healthCheck, { port: 31000, localEndpoints: 1 });
  const elsewhere = map.plan('default/web', [4], { nodeName: 'c', zone: undefined, podCidrs: [] })!;
  assert.deepEqual(elsewhere.healthCheck, { port: 31000, localEndpoints: 0 });
  assert.deepEqual(elsewhere.withoutLocal, { internal: 0, external: 1 });
});

test('a load balancer is sent elsewhere by endpoints that are on their way out, which still take what comes', () => {
  const map = new ServiceMap();
  const spec = { ...ip, type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 };
  map.putService(testService('web', { ...spec, ports: [{ name: 'p', protocol: 'TCP', port: 80, nodePort: 30080 }] }));
  map.putSlice(testSlice('web', ['10.0.0.1@a ~', '10.0.0.2@b']));
  const plan = map.plan('default/web', [4], { nodeName: 'a', zone: undefined, podCidrs: [] })!;
  assert.deepEqual(plan.healthCheck, { port: 31000, localEndpoints: 0 });
  assert.deepEqual(plan.withoutLocal, { internal: 0, external: 0 });
});

test('names are readable, unique and not too long for nft', () => {
  const [a, b] = ['a', 'b'].map(last => chainName('cluster', `${'n'.repeat(63)}/${'s'.repeat(63)}/tcp/port-${last}`));
  assert.notEqual(a, b);
  assert.ok(a!.length < 128);
  assert.match(chainName('endpoint', 'a/b/tcp/p/fd00..1/80'), /^endpoint-[0-9a-f]{16}-a\/b\/tcp\/p\/fd00\.\.1\/80$/);
});

test('node ports are on the primary addresses, or on those in the ranges', () => {
  const own = ['127.0.0.1', '10.8.0.5', '192.168.1.5', '::1', 'fd00::5'];
  assert.deepEqual(nodePortAddresses(own, ['primary']), ['10.8.0.5', 'fd00::5']);
  assert.deepEqual(nodePortAddresses(own, ['192.168.0.0/16']), ['192.168.1.5']);
  assert.deepEqual(nodePortAddresses(own, ['0.0.0.0/0', 'fd00::/8']), ['10.8.0.5', '192.168.1.5', 'fd00::5']);
});

test('a node that is about to go is not eligible', () => {
  assert.ok(isEligible(undefined));
  assert.ok(isEligible({ metadata: {}, spec: {} } as never));
  assert.ok(!isEligible({ metadata: { deletionTimestamp: 'x' }, spec: {} } as never));
  const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }];
  assert.ok(!isEligible({ metadata: {}, spec: { taints } } as never));
});
