import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { type Caller, caller, type Json, mergePatch } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let api: Caller;
const clock = new VirtualClock(systemClock.now());
before(async () => {
  const advertise = { address: '192.0.2.1', port: 6443 };
  server = await startTestServer({ clock, serviceCidrs: ['10.96.0.0/16', 'fd00:96::/112'], advertise });
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
});
after(async () => {
  api.close();
  await server.stop();
});

const flow = '/apis/flowcontrol.apiserver.k8s.io/v1';
const net = '/apis/networking.k8s.io/v1';
const services = '/api/v1/namespaces/default/services';

test('flow control objects are there, with conditions', async () => {
  const levels = await api.expect(200, 'GET', `${flow}/prioritylevelconfigurations`);
  const schemas = await api.expect(200, 'GET', `${flow}/flowschemas`);
  assert.deepEqual(
    levels.items.map((l: Json) => l.metadata.name),
    [
      'catch-all',
      'exempt',
      'global-default',
      'leader-election',
      'node-high',
      'system',
      'workload-high',
      'workload-low',
    ],
  );
  assert.equal(schemas.items.length, 11);
  for (const s of schemas.items) {
    assert.equal(s.metadata.annotations['apf.kubernetes.io/autoupdate-spec'], 'true');
    const [condition] = s.status.conditions;
    assert.deepEqual([condition.type, condition.status, condition.reason], ['Dangling', 'False', 'Found']);
  }
});

test('a schema without its level is dangling until the level comes', async () => {
  const watching = await api.watch(`${flow}/flowschemas?watch=true`);
  const dangling = (status: string) =>
    watching.next(e => e.object.metadata.name === 'lost' && e.object.status?.conditions?.[0]?.status === status);
  await api.expect(201, 'POST', `${flow}/flowschemas`, {
    metadata: { name: 'lost' },
    spec: { matchingPrecedence: 77, priorityLevelConfiguration: { name: 'later' } },
  });
  const { object } = await dangling('True');
  assert.equal(
    object.status.conditions[0].message,
    'This FlowSchema references the PriorityLevelConfiguration object named "later" but there is no such object',
  );
  await api.expect(201, 'POST', `${flow}/prioritylevelconfigurations`, {
    metadata: { name: 'later' },
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
  });
  await dangling('False');
  watching.stop();
});

test('what is mandatory comes back; what somebody took over stays', async () => {
  const all = `${flow}/flowschemas`;
  await api.expect(200, 'DELETE', `${all}/catch-all`);
  const own = {
    metadata: { annotations: { 'apf.kubernetes.io/autoupdate-spec': 'false' } },
    spec: { matchingPrecedence: 9001 },
  };
  await api.expect(200, 'PATCH', `${all}/service-accounts`, own, mergePatch);
  await api.expect(200, 'PATCH', `${all}/probes`, { spec: { matchingPrecedence: 5 } }, mergePatch);
  const watching = await api.watch(`${all}?watch=true`);
  await clock.advance(61_000);
  await watching.next(e => e.object.metadata.name === 'probes' && e.object.spec.matchingPrecedence === 2);
  await watching.next(e => e.object.metadata.name === 'catch-all');
  assert.equal((await api.expect(200, 'GET', `${all}/service-accounts`)).spec.matchingPrecedence, 9001);
  watching.stop();
});

test('the service of the API and its endpoints come back, as do namespaces of the system', async () => {
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
  for (const path of [services, '/api/v1/namespaces/default/endpoints', slices]) {
    const before = await api.expect(200, 'GET', `${path}/kubernetes`);
    const watching = await api.watch(`${path}?watch=true&fieldSelector=metadata.name%3Dkubernetes`);
    await api.expect(200, 'DELETE', `${path}/kubernetes`);
    await watching.next(e => e.type === 'DELETED');
    await clock.advance(10_000);
    const { object } = await watching.next(e => e.type === 'ADDED' && e.object.metadata.uid !== before.metadata.uid);
    watching.stop();
    for (const field of ['subsets', 'endpoints', 'ports']) assert.deepEqual(object[field], before[field], path);
    assert.equal(object.spec?.clusterIP, before.spec?.clusterIP);
  }
  const namespaces = '/api/v1/namespaces';
  const watching = await api.watch(`${namespaces}?watch=true&fieldSelector=metadata.name%3Dkube-node-lease`);
  const { object: lease } = await watching.next(e => e.type === 'ADDED');
  const ending = await api.expect(200, 'DELETE', `${namespaces}/kube-node-lease`);
  // What the namespace controller would do.
  await api.expect(200, 'PUT', `${namespaces}/kube-node-lease/finalize`, { ...ending, spec: { finalizers: [] } });
  await watching.next(e => e.type === 'DELETED');
  await clock.advance(60_000);
  await watching.next(e => e.type === 'ADDED' && e.object.metadata.uid !== lease.metadata.uid);
  watching.stop();
});

test('the default range is ready and dual-stack', async () => {
  const range = await api.expect(200, 'GET', `${net}/servicecidrs/kubernetes`);
  assert.deepEqual(range.spec.cidrs, ['10.96.0.0/16', 'fd00:96::/112']);
  const [ready] = range.status.conditions;
  assert.deepEqual(
    [ready.type, ready.status, ready.message],
    ['Ready', 'True', 'Kubernetes default Service CIDR is ready'],
  );
});

test('a service has an address object for each of its addresses, as long as it has them', async () => {
  const made = await api.expect(201, 'POST', services, {
    metadata: { name: 'two' },
    spec: { ports: [{ port: 80 }], ipFamilyPolicy: 'RequireDualStack' },
  });
  assert.equal(made.spec.clusterIPs.length, 2);
  for (const [i, ip] of made.spec.clusterIPs.entries()) {
    const { metadata, spec } = await api.expect(200, 'GET', `${net}/ipaddresses/${ip}`);
    assert.deepEqual(spec.parentRef, { resource: 'services', namespace: 'default', name: 'two' });
    assert.deepEqual(metadata.labels, {
      'ipaddress.kubernetes.io/ip-family': i === 0 ? 'IPv4' : 'IPv6',
      'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
    });
  }
  const narrowed = await api.expect(
    200,
    'PATCH',
    `${services}/two`,
    { spec: { ipFamilyPolicy: 'SingleStack', clusterIPs: [made.spec.clusterIPs[0]], ipFamilies: ['IPv4'] } },
    mergePatch,
  );
  assert.equal(narrowed.spec.clusterIPs.length, 1);
  await api.expect(404, 'GET', `${net}/ipaddresses/${made.spec.clusterIPs[1]}`);
  await api.expect(200, 'DELETE', `${services}/two`);
  await api.expect(404, 'GET', `${net}/ipaddresses/${made.spec.clusterIPs[0]}`);
  // The same address at once again.
  const again = { metadata: { name: 'again' }, spec: { ports: [{ port: 80 }], clusterIP: made.spec.clusterIP } };
  await api.expect(201, 'POST', services, again);
  const refused = await api.expect(422, 'POST', services, { ...again, metadata: { name: 'third' } });
  assert.match(refused.message, /failed to allocate IP .*: provided IP is already allocated/);
  const dry = await api.expect(201, 'POST', `${services}?dryRun=All`, {
    metadata: { name: 'dry' },
    spec: { ports: [{ port: 80 }] },
  });
  await api.expect(404, 'GET', `${net}/ipaddresses/${dry.spec.clusterIP}`);
});

test('what is given out is counted, dry runs are not', async () => {
  const read = async () => {
    const text = await server.server.metrics.text();
    return (name: string, labels = '') =>
      Number(
        text
          .split('\n')
          .find(l => l.startsWith(`kube_apiserver_${name}${labels} `))
          ?.split(' ')
          .at(-1) ?? 0,
      );
  };
  const range = 'cidr="10.96.0.0/16"';
  const before = await read();
  const ports = (nodePort?: number) => [{ port: 80, ...(nodePort ? { nodePort } : {}) }];
  const post = (code: number, name: string, spec: object, query = '') =>
    api.expect(code, 'POST', services + query, { metadata: { name }, spec });
  const clusterIP = '10.96.99.99';
  await post(201, 'count-a', { type: 'NodePort', ports: ports() });
  await post(201, 'count-b', { type: 'NodePort', ports: ports(31999), clusterIP });
  await post(422, 'count-c', { ports: ports(), clusterIP });
  await post(422, 'count-d', { type: 'NodePort', ports: ports(31999) });
  await post(201, 'count-e', { ports: ports() }, '?dryRun=All');
  const now = await read();
  const more = (name: string, labels?: string) => now(name, labels) - before(name, labels);
  assert.equal(more('clusterip_allocator_allocation_total', `{${range},scope="dynamic"}`), 1);
  assert.equal(more('clusterip_allocator_allocation_total', `{${range},scope="static"}`), 1);
  assert.equal(more('clusterip_allocator_allocation_errors_total', `{${range},scope="static"}`), 1);
  assert.equal(more('nodeport_allocator_allocation_total', '{scope="dynamic"}'), 1);
  assert.equal(more('nodeport_allocator_allocation_total', '{scope="static"}'), 1);
  assert.equal(more('nodeport_allocator_allocation_errors_total', '{scope="static"}'), 1);
  assert.equal(more('clusterip_allocator_allocated_ips', `{${range}}`), 2);
  assert.equal(more('clusterip_allocator_available_ips', `{${range}}`), -2);
  assert.equal(more('nodeport_allocator_allocated_ports'), 2);
  assert.equal(now('nodeport_allocator_allocated_ports') + now('nodeport_allocator_available_ports'), 2768);
});

test('an address somebody else made an object of is not given out', async () => {
  const ip = '10.96.77.7';
  await api.expect(201, 'POST', `${net}/ipaddresses`, {
    metadata: { name: ip },
    spec: { parentRef: { group: 'example.com', resource: 'gateways', namespace: 'default', name: 'g' } },
  });
  const service = { metadata: { name: 'wants' }, spec: { ports: [{ port: 80 }], clusterIP: ip } };
  assert.match((await api.expect(422, 'POST', services, service)).message, /already allocated/);
  await api.expect(200, 'DELETE', `${net}/ipaddresses/${ip}`);
  await api.expect(201, 'POST', services, service);
});

test('an address is one however it is written', async () => {
  const service = (name: string, clusterIP: string) => ({
    metadata: { name },
    spec: { ports: [{ port: 80 }], clusterIP },
  });
  const object = `${net}/ipaddresses/fd00:96::abc`;
  const made = await api.expect(201, 'POST', services, service('shouted', 'FD00:96:0::ABC'));
  assert.deepEqual(made.spec.clusterIPs, ['FD00:96:0::ABC']);
  assert.equal((await api.expect(200, 'GET', object)).spec.parentRef.name, 'shouted');
  await api.expect(422, 'POST', services, service('whispered', 'fd00:96::abc'));
  await api.expect(200, 'PATCH', `${services}/shouted`, { metadata: { labels: { a: 'b' } } }, mergePatch);
  await api.expect(200, 'DELETE', `${services}/shouted`);
  await api.expect(404, 'GET', object);
  await api.expect(201, 'POST', services, service('whispered', 'fd00:96::abc'));
  // Another's object of the same address stays.
  await api.expect(200, 'DELETE', object);
  await api.expect(201, 'POST', `${net}/ipaddresses`, {
    metadata: { name: 'fd00:96::abc', labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'kubernetes' } },
  });
  await api.expect(200, 'DELETE', `${services}/whispered`);
  await api.expect(200, 'DELETE', object);
});

test('addresses without objects get them, objects without services go', async () => {
  const made = await api.expect(201, 'POST', services, {
    metadata: { name: 'fixed' },
    spec: { ports: [{ port: 80 }] },
  });
  const path = `${net}/ipaddresses/${made.spec.clusterIP}`;
  const watching = await api.watch(`${net}/ipaddresses?watch=true`);
  // What changed before has been looked at.
  await clock.advance(200_000);
  await api.expect(200, 'DELETE', path);
  await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === made.spec.clusterIP);
  await clock.advance(1000);
  const isBack = (e: Json) => e.object.metadata.name === made.spec.clusterIP;
  assert.equal((await watching.next(e => e.type === 'ADDED' && isBack(e))).object.spec.parentRef.name, 'fixed');
  await api.expect(201, 'POST', `${net}/ipaddresses`, {
    metadata: { name: '10.96.88.8', labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'gone' } },
  });
  await clock.advance(140_000);
  const young = '10.96.88.9';
  await api.expect(201, 'POST', `${net}/ipaddresses`, {
    metadata: { name: young, labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'gone' } },
  });
  await clock.advance(40_000);
  await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === '10.96.88.8');
  await api.expect(200, 'GET', `${net}/ipaddresses/${young}`);
  await clock.advance(20_000);
  await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === young);
  watching.stop();
  const events = async () =>
    (await api.expect(200, 'GET', '/api/v1/events')).items
      .filter((e: Json) => e.source.component === 'ipallocator-repair-controller')
      .map((e: Json) => `${e.type} ${e.reason} ${e.involvedObject.kind}/${e.involvedObject.name}: ${e.message}`)
      .sort();
  while ((await events()).length < 3) await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(await events(), [
    `Warning ClusterIPNotAllocated Service/fixed: Cluster IP [IPv4]: ${made.spec.clusterIP} is not allocated; repairing`,
    'Warning IPAddressNotAllocated IPAddress/10.96.88.8: IPAddress: 10.96.88.8 for Service default/gone appears to have leaked: cleaning up',
    'Warning IPAddressNotAllocated IPAddress/10.96.88.9: IPAddress: 10.96.88.9 for Service default/gone appears to have leaked: cleaning up',
  ]);
  const metrics = await server.server.metrics.text();
  assert.match(metrics, /\napiserver_clusterip_repair_ip_errors_total\{type="repair"\} 1\n/);
  assert.match(metrics, /\napiserver_clusterip_repair_ip_errors_total\{type="leak"\} 2\n/);
});

test('a ready range beyond the first gives addresses, once it goes no more', async () => {
  const cidr = '10.200.0.0/28';
  const path = `${net}/servicecidrs/more`;
  const condition = (status: string) => ({
    status: {
      conditions: [{ type: 'Ready', status, lastTransitionTime: '2026-01-01T00:00:00Z', reason: '', message: 'm' }],
    },
  });
  await api.expect(201, 'POST', `${net}/servicecidrs`, {
    metadata: { name: 'more', finalizers: ['example.com/x'] },
    spec: { cidrs: [cidr] },
  });
  const service = (name: string, clusterIP: string) => ({
    metadata: { name },
    spec: { ports: [{ port: 80 }], clusterIP },
  });
  // Without a controller nobody says that it serves.
  await api.expect(201, 'POST', services, service('first', '10.200.0.2'));
  await api.expect(200, 'PATCH', `${path}/status`, condition('False'), mergePatch);
  const early = await api.expect(422, 'POST', services, service('early', '10.200.0.3'));
  assert.match(early.message, /the provided network does not match the current range/);
  await api.expect(200, 'PATCH', `${path}/status`, condition('True'), mergePatch);
  await api.expect(201, 'POST', services, service('in-time', '10.200.0.3'));
  await api.expect(422, 'POST', services, service('double', '10.200.0.3'));
  await api.expect(200, 'DELETE', path);
  await api.expect(422, 'POST', services, service('late', '10.200.0.4'));
});
