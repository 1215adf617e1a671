import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { serviceStrategy } from '../../api/rule/core/service.ts';
import { create, update } from '../../api/rule/testing.ts';
import type { Service } from '../../api/type/core-v1.ts';
import { seededRandom } from '../../base/random.ts';
import { SortedTree } from '../registry/kernel/sorted-tree.ts';
import type { WriteContext } from '../registry/registry.ts';
import { Stored } from '../registry/stored.ts';
import type { IpAddresses } from './ip-addresses.ts';
import { serviceHooks } from './service-allocation.ts';

const context = { subresource: '', dryRun: false } as WriteContext;
let uids = 0;

function cluster(
  existing: Service[] = [],
  options: { cidrs?: string[]; ports?: [number, number]; ranges?: () => string[]; addresses?: IpAddresses } = {},
) {
  const entries = existing.map((s, i) => [`default/${i}`, new Stored(`default/${i}`, s, 1)] as const);
  const hooks = serviceHooks({
    cache: { snapshot: () => SortedTree.from(entries) },
    serviceCidrs: options.cidrs ?? ['10.96.0.0/24'],
    nodePortRange: options.ports ?? [30000, 32767],
    random: seededRandom(1),
    ...(options.ranges ? { ranges: options.ranges } : {}),
    ...(options.addresses ? { addresses: options.addresses } : {}),
  });
  const draft = (spec: object): Mutable<Service> => {
    const metadata = { name: 'a', namespace: 'default', uid: `u${++uids}` };
    const { object, errors } = create(serviceStrategy, {
      metadata,
      spec: { ports: [{ port: 80 }], ...spec },
      status: {},
    });
    assert.deepEqual(errors, []);
    return object as Mutable<Service>;
  };
  return {
    hooks,
    draft,
    async make(spec: object): Promise<Service> {
      const object = draft(spec);
      await hooks.beforeCreate!(object as Mutable<KubeObject>, context);
      return object as Service;
    },
    async change(old: Service, spec: object): Promise<Service> {
      const now = update(serviceStrategy, { ...old, spec: { ...old.spec, ...spec } }, old);
      assert.deepEqual(now.errors, []);
      const object = now.object as Mutable<Service>;
      await hooks.beforeUpdate!(object as Mutable<KubeObject>, old, context);
      hooks.afterUpdate!(object as KubeObject, old);
      return object as Service;
    },
  };
}

test('a service gets an address of the upper band and its families', async () => {
  const { spec } = await cluster().make({});
  assert.match(spec.clusterIP!, /^10\.96\.0\.(1[7-9]|[2-9]\d|1\d\d|2[0-4]\d|25[0-4])$/);
  assert.deepEqual(spec.clusterIPs, [spec.clusterIP]);
  assert.deepEqual([spec.ipFamilies, spec.ipFamilyPolicy], [['IPv4'], 'SingleStack']);
  assert.deepEqual(Object.keys(spec), [
    'ports',
    'clusterIP',
    'clusterIPs',
    'type',
    'sessionAffinity',
    'ipFamilies',
    'ipFamilyPolicy',
    'internalTrafficPolicy',
  ]);
});

test('explicit addresses conflict and must be in range', async () => {
  const { make } = cluster();
  await make({ clusterIP: '10.96.0.1' });
  await assert.rejects(make({ clusterIP: '10.96.0.1' }), {
    code: 422,
    message:
      'Service "a" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated',
  });
  await assert.rejects(make({ clusterIP: '10.97.0.1' }), {
    message:
      'Service "a" is invalid: spec.clusterIPs: Invalid value: ["10.97.0.1"]: failed to allocate IP 10.97.0.1: the provided network does not match the current range',
  });
  await assert.rejects(make({ clusterIP: 'fd00::1' }), {
    message:
      'Service "a" is invalid: spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster',
  });
});

test('what is stored is taken at the start', async () => {
  const first = await cluster().make({
    type: 'NodePort',
    clusterIP: '10.96.0.9',
    ports: [{ port: 1, nodePort: 30007 }],
  });
  const { make } = cluster([first]);
  await assert.rejects(make({ clusterIP: '10.96.0.9' }), /already allocated/);
  await assert.rejects(make({ type: 'NodePort', ports: [{ port: 1, nodePort: 30007 }] }), {
    message: 'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated',
  });
});

test('deleting, failing and dry running leave nothing allocated', async () => {
  const { hooks, make, draft } = cluster([], { ports: [30000, 30000] });
  const spec = { type: 'NodePort', clusterIP: '10.96.0.1' };
  const undo = await hooks.beforeCreate!(draft(spec) as Mutable<KubeObject>, context);
  undo!();
  const made = await make(spec);
  await assert.rejects(make({ type: 'NodePort', clusterIP: '10.96.0.2' }), {
    code: 500,
    message: 'Internal error occurred: failed to allocate a nodePort: range is full',
  });
  await make({ clusterIP: '10.96.0.2' });
  hooks.afterDelete!(made);
  await make(spec);
  // Deleted twice: the new owner keeps it.
  hooks.afterDelete!(made);
  await assert.rejects(make(spec), /already allocated/);
});

test('node ports', async () => {
  const { make } = cluster();
  const { spec } = await make({
    type: 'NodePort',
    ports: [
      { name: 'a', port: 53, protocol: 'TCP' },
      { name: 'b', port: 53, protocol: 'UDP' },
      { name: 'c', port: 54 },
    ],
  });
  const [a, b, c] = spec.ports!.map(p => p.nodePort!);
  assert.equal(a, b);
  assert.notEqual(a, c);
  for (const p of [a!, c!]) assert.ok(p >= 30086 && p <= 32767, `${p}`);
  await assert.rejects(make({ type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] }), {
    message:
      'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
  });
  const none = await make({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false });
  assert.equal(none.spec.ports![0]!.nodePort, undefined);
});

test('updates take and give back', async () => {
  const { make, change } = cluster();
  const plain = await make({ clusterIP: '10.96.0.5' });
  const node = await change(plain, { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] });
  assert.equal(node.spec.clusterIP, '10.96.0.5');
  await assert.rejects(make({ type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] }), /already allocated/);
  const back = await change(node, { type: 'ClusterIP' });
  await make({ type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] });
  const alias = await change(back, { type: 'ExternalName', externalName: 'example.com' });
  assert.deepEqual(
    [alias.spec.clusterIP, alias.spec.clusterIPs, alias.spec.ipFamilies],
    [undefined, undefined, undefined],
  );
  await make({ clusterIP: '10.96.0.5' });
  assert.match((await change(alias, { type: 'ClusterIP' })).spec.clusterIP!, /^10\.96\.0\./);
});

test('a node port that an ExternalName names is not given to it, nor taken from who has it', async () => {
  const { make, change, hooks } = cluster();
  const ports = [{ port: 80, nodePort: 30001 }];
  const named = await make({ type: 'ExternalName', externalName: 'a.b', ports });
  await make({ type: 'NodePort', ports });
  await assert.rejects(change(named, { type: 'NodePort' }), /provided port is already allocated/);
  hooks.afterDelete!(named as KubeObject);
  await assert.rejects(make({ type: 'NodePort', ports }), /provided port is already allocated/);
});

test('a load balancer that keeps client addresses has a health check port', async () => {
  const { make, change } = cluster();
  const local = await make({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
  const port = local.spec.healthCheckNodePort!;
  assert.ok(port >= 30086);
  await assert.rejects(make({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port }), {
    code: 500,
    message: `Internal error occurred: failed to allocate requested HealthCheck NodePort ${port}: provided port is already allocated`,
  });
  const now = await change(local, { externalTrafficPolicy: 'Cluster' });
  assert.equal(now.spec.healthCheckNodePort, undefined);
  await make({ type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port });
});

test('without allocation a load balancer keeps the node ports it has until they are removed', async () => {
  const { make, change } = cluster();
  const some = await make({ type: 'LoadBalancer' });
  const { nodePort } = some.spec.ports![0]!;
  const off = await change(some, { allocateLoadBalancerNodePorts: false });
  assert.equal(off.spec.ports![0]!.nodePort, nodePort);
  const none = await change(off, { ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }] });
  assert.equal(none.spec.ports![0]!.nodePort, undefined);
  const held = await make({ type: 'NodePort', ports: [{ port: 80, nodePort }] });
  const asked = { allocateLoadBalancerNodePorts: false, ports: [{ port: 80, nodePort: 30010 }] };
  const own = await make({ type: 'LoadBalancer', ...asked });
  assert.equal((await change(own, { type: 'ClusterIP' })).spec.ports![0]!.nodePort, undefined);
  assert.equal((await change(held, { type: 'LoadBalancer' })).spec.ports![0]!.nodePort, nodePort);
});

test('headless services have families but no address', async () => {
  const { make } = cluster();
  const some = await make({ clusterIP: 'None', selector: { a: 'b' } });
  assert.deepEqual(
    [some.spec.clusterIPs, some.spec.ipFamilies, some.spec.ipFamilyPolicy],
    [['None'], ['IPv4'], 'SingleStack'],
  );
  const free = await make({ clusterIP: 'None' });
  assert.deepEqual([free.spec.ipFamilies, free.spec.ipFamilyPolicy], [['IPv4', 'IPv6'], 'RequireDualStack']);
});

test('an address somebody takes meanwhile is lost to who asked for it only', async () => {
  const taken: string[] = [];
  const addresses: IpAddresses = {
    isHeld: () => false,
    // The first of two tries.
    claim: async ip => taken.push(ip) % 2 === 0,
    giveBack: async () => {},
  };
  const { make } = cluster([], { addresses });
  const { spec } = await make({});
  assert.equal(spec.clusterIP, taken[1]);
  assert.notEqual(taken[0], taken[1]);
  await assert.rejects(make({ clusterIP: '10.96.0.7' }), /provided IP is already allocated/);
});

test('addresses nobody may have of a range, and of one larger than its bits', async () => {
  const { make } = cluster([], { cidrs: ['10.96.0.0/24', 'fd00::/64'] });
  for (const [ip, range] of Object.entries({ '10.96.0.0': '10.96.0.0/24', '10.96.0.255': '10.96.0.0/24' }))
    await assert.rejects(make({ clusterIP: ip }), {
      message: `Service "a" is invalid: spec.clusterIPs: Invalid value: ["${ip}"]: failed to allocate IP ${ip}: the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${range}`,
    });
  const far = { clusterIP: 'fd00::1:0:0:1', ipFamilies: ['IPv6'] };
  await make(far);
  await assert.rejects(make(far), /already allocated/);
});

test('addresses given out of a range that went are their owners’ when a range holds them again', async () => {
  const ranges = { now: ['10.96.0.0/24'] };
  const services = { '10.97.0.5': await cluster([], { cidrs: ['10.97.0.0/24'] }).make({ clusterIP: '10.97.0.5' }) };
  const { make, hooks } = cluster(Object.values(services), { ranges: () => ranges.now });
  const refused = (ip: string, why: RegExp) => assert.rejects(make({ clusterIP: ip }), why);
  await refused('10.97.0.5', /does not match the current range/);
  ranges.now = ['10.96.0.0/24', '10.97.0.0/24', '10.97.0.0/16'];
  await refused('10.97.0.5', /already allocated/);
  const six = await make({ clusterIP: '10.97.0.6' });
  ranges.now = ['10.97.0.0/16'];
  await refused('10.97.0.6', /already allocated/);
  hooks.afterDelete!(six as KubeObject);
  await make({ clusterIP: '10.97.0.6' });
  await assert.rejects(make({ ipFamilies: ['IPv6'] }), /spec.ipFamilies\[0\].*not configured on this cluster/);
  ranges.now = ['10.97.0.0/16', 'fd00::/112'];
  await assert.rejects(make({ ipFamilies: ['IPv6'] }), /not configured on this cluster/);
});

test('the second family comes and goes with the policy alone', async () => {
  const { make, change } = cluster([], { cidrs: ['10.96.0.0/24', 'fd00::/112'] });
  const single = await make({});
  const dual = await change(single, { ipFamilyPolicy: 'RequireDualStack' });
  assert.equal(dual.spec.clusterIP, single.spec.clusterIP);
  assert.deepEqual(dual.spec.ipFamilies, ['IPv4', 'IPv6']);
  const second = dual.spec.clusterIPs![1]!;
  const back = await change(dual, { ipFamilyPolicy: 'SingleStack' });
  assert.deepEqual([back.spec.clusterIPs, back.spec.ipFamilies], [[single.spec.clusterIP], ['IPv4']]);
  await make({ clusterIP: second, ipFamilies: ['IPv6'] });
  // Who writes a Service without these fields asks for what a new one gets.
  const again = await change(back, { ipFamilyPolicy: 'PreferDualStack' });
  const fresh = { ipFamilyPolicy: undefined, ipFamilies: undefined, clusterIP: undefined, clusterIPs: undefined };
  const plain = await change(again, fresh);
  assert.deepEqual(
    [plain.spec.clusterIPs, plain.spec.ipFamilies, plain.spec.ipFamilyPolicy],
    [[single.spec.clusterIP], ['IPv4'], 'SingleStack'],
  );
});

test('who prefers two families keeps what there was, whatever the cluster has now', async () => {
  const one = cluster();
  const two = cluster([], { cidrs: ['10.96.0.0/24', 'fd00::/112'] });
  const before = await one.make({ ipFamilyPolicy: 'PreferDualStack' });
  assert.deepEqual(before.spec.ipFamilies, ['IPv4']);
  const touched = await two.change(before, { selector: { a: 'b' } });
  assert.deepEqual(touched.spec.ipFamilies, ['IPv4']);
  assert.equal((await two.change(before, { type: 'NodePort' })).spec.clusterIPs!.length, 2);
  const both = await two.make({ ipFamilyPolicy: 'PreferDualStack' });
  const kept = await one.change(both, { selector: { a: 'b' } });
  assert.deepEqual(kept.spec.clusterIPs, both.spec.clusterIPs);
});

test('two stacks', async () => {
  const { make } = cluster([], { cidrs: ['10.96.0.0/24', 'fd00::/112'] });
  const dual = await make({ ipFamilyPolicy: 'PreferDualStack' });
  assert.deepEqual(dual.spec.ipFamilies, ['IPv4', 'IPv6']);
  assert.match(dual.spec.clusterIPs![1]!, /^fd00::/);
  await assert.rejects(cluster().make({ ipFamilyPolicy: 'RequireDualStack' }), {
    message:
      'Service "a" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
  });
});
