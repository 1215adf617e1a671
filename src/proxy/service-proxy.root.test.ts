// Real packets: a node with two pods on a bridge, and a neighbour on the node's network, in namespaces without a way out.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import type { Draft } from '../api/meta.ts';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import type { Service } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import { fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { baseScript } from './kernel/base-rules.ts';
import { RuleTable } from './kernel/rule-table.ts';
import { ServiceMap } from './kernel/service-map.ts';
import { testService, testSlice } from './kernel/test-objects.ts';
import { createServiceProxy } from './service-proxy.ts';
import type { PeerAnswer, PeerRequest } from './test-peer.ts';

const prefix = `k8tst-${process.pid}`;
const ns = (name: string) => `${prefix}-${name}`;
const names = ['node', 'pod1', 'pod2', 'out'] as const;
type Name = (typeof names)[number];

function exec(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args);
    let [out, said] = ['', ''];
    child.stdout.on('data', d => {
      out += d;
    });
    child.stderr.on('data', d => {
      said += d;
    });
    child.on('error', reject);
    child.on('close', code => (code === 0 ? resolve(out) : reject(new Error(`${command} ${args.join(' ')}: ${said}`))));
    // What ends without reading its input is no error of ours.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
const inNode = (command: string, args: readonly string[], input?: string) =>
  exec('nsenter', [`--net=/run/netns/${ns('node')}`, command, ...args], input);

class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: PeerAnswer) => void>();
  #id = 0;

  constructor(name: Name) {
    const file = new URL('test-peer.ts', import.meta.url).pathname;
    const args = [`--net=/run/netns/${ns(name)}`, process.execPath, file];
    this.#child = spawn('nsenter', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (answer: PeerAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** The answer, or the code of the error. */
  ask(request: Omit<PeerRequest, 'id'>): Promise<string> {
    const id = ++this.#id;
    return new Promise(resolve => {
      this.#waiting.set(id, answer => resolve('result' in answer ? answer.result : answer.error));
      this.#child.send({ ...request, id });
    });
  }

  async stop(): Promise<void> {
    const gone = new Promise(resolve => this.#child.once('close', resolve));
    this.#child.kill();
    await gone;
  }
}

const client = fakeClient();
const shared = { clock: systemClock, random: systemRandom, log: createLog('test', { level: 'error' }) };
let stopping = new AbortController();
const metrics = createMetrics();
const peers = new Map<Name, Peer>();
let running: Promise<unknown> = Promise.resolve();
let onSync = (_lines: number) => {};

const vip = (n: number) => `10.96.0.${n}`;

before(async () => {
  await exec('ip', ['-batch', '-'], `${names.map(n => `netns add ${ns(n)}`).join('\n')}\n`);
  const lines = (name: Name, list: string[]) =>
    exec('ip', ['-n', ns(name), '-batch', '-'], `link set lo up\n${list.join('\n')}\n`);
  await lines('node', [
    'link add cni0 type bridge',
    'addr add 10.244.0.1/24 dev cni0',
    'addr add fd00:244::1/64 dev cni0 nodad',
    'link set cni0 up',
    ...['pod1', 'pod2'].flatMap(p => [
      `link add ${p} type veth peer name eth0 netns ${ns(p as Name)}`,
      `link set ${p} master cni0 up`,
      // As the bridge plugin does.
      `link set ${p} type bridge_slave hairpin on`,
    ]),
    `link add eth0 type veth peer name eth0 netns ${ns('out')}`,
    'addr add 10.8.5.1/24 dev eth0',
    'addr add fd00:8::1/64 dev eth0 nodad',
    'link set eth0 up',
    'route add 10.96.0.0/12 dev eth0',
    // Not back where it came from: the sender would be redirected.
    'route add fd00:96::/112 dev cni0',
  ]);
  for (const [name, n] of [
    ['pod1', 11],
    ['pod2', 12],
  ] as const)
    await lines(name, [
      `addr add 10.244.0.${n}/24 dev eth0`,
      `addr add fd00:244::${n}/64 dev eth0 nodad`,
      'link set eth0 up',
      'route add default via 10.244.0.1',
      'route add default via fd00:244::1',
    ]);
  await lines('out', [
    'addr add 10.8.5.2/24 dev eth0',
    'addr add fd00:8::2/64 dev eth0 nodad',
    'link set eth0 up',
    'route add fd00:96::/112 via fd00:8::1',
    'route add 10.96.0.0/12 via 10.8.5.1',
    'route add 192.0.2.0/24 via 10.8.5.1',
  ]);
  await inNode('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
  await inNode('sysctl', ['-q', '-w', 'net.ipv6.conf.all.forwarding=1']);
  for (const what of ['iptables', 'ip6tables'])
    await inNode('sysctl', ['-q', '-w', `net.bridge.bridge-nf-call-${what}=1`]).catch(() => {});
  for (const name of names) peers.set(name, new Peer(name));
  await peers.get('pod1')!.ask({ do: 'listen', host: '10.244.0.11', port: 8080, name: 'pod1' });
  await peers.get('pod2')!.ask({ do: 'listen', host: '10.244.0.12', port: 8080, name: 'pod2' });
  for (const [name, n] of [
    ['pod1', 11],
    ['pod2', 12],
  ] as const)
    await peers.get(name)!.ask({ do: 'listen', host: `fd00:244::${n}`, port: 8080, name });
  await startProxy();
});

async function startProxy(): Promise<void> {
  stopping = new AbortController();
  const informers = createInformerFactory(client, shared);
  const proxy = createServiceProxy({
    nodeName: 'a',
    nodeAddresses: ['10.8.5.1', 'fd00:8::1'],
    podCidrs: ['10.244.0.0/16', 'fd00:244::/64'],
    serviceCidrs: ['10.96.0.0/12', 'fd00:96::/112'],
    informers,
    run: inNode,
    ...shared,
    metrics,
    healthz: null,
    metricsAt: null,
    onSync: lines => onSync(lines),
  });
  const first = Promise.withResolvers<void>();
  onSync = () => first.resolve();
  running = Promise.all([proxy.run(stopping.signal), informers.run(stopping.signal)]);
  await first.promise;
}

after(async () => {
  stopping.abort();
  await running;
  await Promise.all([...peers.values()].map(p => p.stop()));
  await exec('ip', ['-force', '-batch', '-'], `${names.map(n => `netns del ${ns(n)}`).join('\n')}\n`).catch(() => {});
});

/** Resolves when the kernel has the change. */
async function applied(change: () => void): Promise<void> {
  const synced = Promise.withResolvers<void>();
  onSync = () => synced.resolve();
  change();
  await synced.promise;
}

function put(service: Service, slice?: EndpointSlice): void {
  if (slice) client.set(discoveryV1.endpointslices, slice as Draft<EndpointSlice>);
  client.set(coreV1.services, service as Draft<Service>);
}
const spec = (n: number, more: object = {}) => ({ clusterIP: vip(n), clusterIPs: [vip(n)], ...more });
const both = ['10.244.0.11@a', '10.244.0.12@a'];
const ask = (from: Name, host: string, port = 80, more: Partial<PeerRequest> = {}) =>
  peers.get(from)!.ask({ do: 'tcp', host, port, ...more });
async function answers(times: number, from: Name, host: string, port = 80): Promise<string[]> {
  const all = await Promise.all(Array.from({ length: times }, () => ask(from, host, port)));
  return [...new Set(all)].sort();
}

test('a cluster IP leads to all its endpoints, from pods, from the node and from outside', async () => {
  await applied(() => put(testService('web', spec(1)), testSlice('web', both)));
  // A pod that met itself came back with the bridge's address: hairpin.
  assert.deepEqual(await answers(30, 'pod1', vip(1)), ['pod1 10.244.0.1', 'pod2 10.244.0.11']);
  assert.deepEqual(await answers(30, 'node', vip(1)), ['pod1 10.244.0.1', 'pod2 10.244.0.1']);
  assert.deepEqual(await answers(30, 'out', vip(1)), ['pod1 10.244.0.1', 'pod2 10.244.0.1']);
});

test('an endpoint that goes is not asked any more, one that comes is', async () => {
  const startedMs = systemClock.monotonic();
  await applied(() => client.set(discoveryV1.endpointslices, testSlice('web', [both[1]!]) as Draft<EndpointSlice>));
  const tookMs = systemClock.monotonic() - startedMs;
  assert.deepEqual(await answers(20, 'pod1', vip(1)), ['pod2 10.244.0.11']);
  assert.ok(tookMs < 1_000, `${tookMs} ms from the change to the rules`);
  console.log(`# from the change of an endpoint to the rules: ${tookMs.toFixed(0)} ms`);
});

test('a service without endpoints refuses, TCP and UDP; so does a port that no service has', async () => {
  const udp = { name: 'u', protocol: 'UDP', port: 53 };
  const ports = [{ name: 'p', protocol: 'TCP', port: 80, nodePort: 30080 }, udp];
  await applied(() => put(testService('empty', spec(2, { type: 'NodePort', ports }))));
  assert.equal(await ask('pod1', vip(2)), 'ECONNREFUSED');
  assert.equal(await ask('node', vip(2)), 'ECONNREFUSED');
  assert.equal(await ask('out', '10.8.5.1', 30080), 'ECONNREFUSED');
  assert.equal(await ask('pod1', vip(2), 53, { do: 'udp' }), 'ECONNREFUSED');
  assert.equal(await ask('pod1', vip(1), 81), 'ECONNREFUSED');
});

test('a node port leads in from outside and hides the sender; with policy Local it does not', async () => {
  const nodePort = (more: object = {}) => {
    const ports = [{ name: 'p', protocol: 'TCP', port: 80, nodePort: 30090 }];
    return testService('np', spec(3, { type: 'NodePort', ports, ...more }));
  };
  await applied(() => put(nodePort(), testSlice('np', both)));
  assert.deepEqual(await answers(20, 'out', '10.8.5.1', 30090), ['pod1 10.244.0.1', 'pod2 10.244.0.1']);
  assert.deepEqual(await answers(20, 'node', '10.8.5.1', 30090), ['pod1 10.244.0.1', 'pod2 10.244.0.1']);
  await applied(() =>
    put(nodePort({ externalTrafficPolicy: 'Local' }), testSlice('np', ['10.244.0.11@a', '10.244.0.12@b'])),
  );
  assert.deepEqual(await answers(10, 'out', '10.8.5.1', 30090), ['pod1 10.8.5.2']);
  assert.deepEqual(await answers(30, 'node', '10.8.5.1', 30090), ['pod1 10.244.0.1', 'pod2 10.244.0.1']);
  await applied(() =>
    client.set(discoveryV1.endpointslices, testSlice('np', ['10.244.0.12@b']) as Draft<EndpointSlice>),
  );
  assert.equal(await ask('out', '10.8.5.1', 30090, { timeoutMs: 200 }), 'timeout');
  assert.equal(await ask('pod1', '10.8.5.1', 30090), 'pod2 10.244.0.11');
});

test('internal policy Local takes only what is here, and drops when that is nothing', async () => {
  const local = testService('here', spec(4, { internalTrafficPolicy: 'Local' }));
  await applied(() => put(local, testSlice('here', ['10.244.0.11@a', '10.244.0.12@b'])));
  assert.deepEqual(await answers(10, 'pod2', vip(4)), ['pod1 10.244.0.12']);
  await applied(() =>
    client.set(discoveryV1.endpointslices, testSlice('here', ['10.244.0.12@b']) as Draft<EndpointSlice>),
  );
  assert.equal(await ask('pod2', vip(4), 80, { timeoutMs: 200 }), 'timeout');
});

test('session affinity keeps a client with its endpoint', async () => {
  const sticky = testService('sticky', spec(5, { sessionAffinity: 'ClientIP', externalIPs: ['192.0.2.5'] }));
  await applied(() => put(sticky, testSlice('sticky', both)));
  for (const from of ['pod1', 'pod2', 'out'] as const) {
    const first = await ask(from, vip(5));
    assert.deepEqual(await answers(15, from, vip(5)), [first]);
  }
  // The same client through another of the service's addresses.
  const [name] = (await ask('out', vip(5))).split(' ');
  assert.equal((await ask('out', '192.0.2.5')).split(' ')[0], name);
  const other = name === 'pod1' ? both[1]! : both[0]!;
  await applied(() => client.set(discoveryV1.endpointslices, testSlice('sticky', [other]) as Draft<EndpointSlice>));
  assert.notEqual((await ask('out', vip(5))).split(' ')[0], name);
});

test('a proxy that is started again is noticed by nobody: no connection fails, affinity is kept', async () => {
  await applied(() => client.set(discoveryV1.endpointslices, testSlice('sticky', both) as Draft<EndpointSlice>));
  const sticking = () => Promise.all((['out', 'pod1', 'pod2'] as const).map(from => ask(from, vip(5))));
  const before = await sticking();
  const during: Promise<string>[] = [];
  let over = false;
  const traffic = (async () => {
    while (!over) {
      during.push(ask('pod1', vip(3)));
      await during.at(-1);
    }
  })();
  for (let i = 0; i < 5; i++) {
    stopping.abort();
    await running;
    await startProxy();
    assert.deepEqual(await sticking(), before);
  }
  over = true;
  await traffic;
  assert.deepEqual(new Set(await Promise.all(during)), new Set(['pod2 10.244.0.11']));
});

test('external IPs and load balancer addresses lead in, source ranges keep out', async () => {
  const balancer = (ranges: string[]) =>
    testService('lb', spec(6, { type: 'LoadBalancer', externalIPs: ['192.0.2.6'], loadBalancerSourceRanges: ranges }), {
      status: {
        loadBalancer: {
          ingress: [
            { ip: '192.0.2.7', ipMode: 'VIP' },
            { ip: '192.0.2.8', ipMode: 'Proxy' },
          ],
        },
      },
    });
  await applied(() => put(balancer([]), testSlice('lb', [both[0]!])));
  assert.equal(await ask('out', '192.0.2.6'), 'pod1 10.244.0.1');
  assert.equal(await ask('out', '192.0.2.7'), 'pod1 10.244.0.1');
  await applied(() => put(balancer(['198.51.100.0/24'])));
  assert.equal(await ask('out', '192.0.2.7', 80, { timeoutMs: 200 }), 'timeout');
  assert.equal(await ask('out', '192.0.2.6'), 'pod1 10.244.0.1');
  await applied(() => put(balancer(['198.51.100.0/24', '10.8.5.0/24'])));
  assert.equal(await ask('out', '192.0.2.7'), 'pod1 10.244.0.1');
});

test('a UDP client that keeps its port follows its service to other endpoints', async () => {
  const ports = [{ name: 'p', protocol: 'UDP', port: 53 }];
  const slice = (...endpoints: string[]) =>
    testSlice('dns', endpoints, { ports: [{ name: 'p', protocol: 'UDP', port: 8080 }] });
  const udp = () => ask('pod2', vip(7), 53, { do: 'udp', from: 4053, timeoutMs: 500 });
  await applied(() => put(testService('dns', spec(7, { ports })), slice()));
  assert.equal(await udp(), 'ECONNREFUSED');
  await applied(() => put(testService('dns', spec(7, { ports })), slice('10.244.0.11@a')));
  assert.equal(await udp(), 'pod1 10.244.0.12');
  await applied(() => client.set(discoveryV1.endpointslices, slice('10.244.0.12@a') as Draft<EndpointSlice>));
  // The connection is forgotten right behind the rules.
  let answer = await udp();
  const untilMs = systemClock.monotonic() + 3_000;
  while (answer !== 'pod2 10.244.0.1' && systemClock.monotonic() < untilMs) answer = await udp();
  assert.equal(answer, 'pod2 10.244.0.1');
  await applied(() => put(testService('other', spec(9))));
  assert.match(await metrics.text(), /kubeproxy_conntrack_reconciler_deleted_entries_total\{.*\} [1-9]/);
});

test('over IPv6 all is as over IPv4: hairpin, node ports, policy Local, source ranges, UDP, refusals', async () => {
  const six = (n: number) => `fd00:96::${n}`;
  const ports = [
    { name: 'p', protocol: 'TCP', port: 80, nodePort: 30686 },
    { name: 'u', protocol: 'UDP', port: 53 },
  ];
  const service = (more: object = {}, status: object = {}) =>
    testService('six', { clusterIP: six(1), clusterIPs: [six(1)], type: 'NodePort', ports, ...more }, { status });
  const slice = (...list: string[]) =>
    testSlice('six', list, {
      addressType: 'IPv6',
      ports: [
        { name: 'p', protocol: 'TCP', port: 8080 },
        { name: 'u', protocol: 'UDP', port: 8080 },
      ],
    });
  const two = ['fd00:244::11@a', 'fd00:244::12@a'];
  await applied(() => put(service(), slice(...two)));
  assert.deepEqual(await answers(30, 'pod1', six(1)), ['pod1 fd00:244::1', 'pod2 fd00:244::11']);
  assert.deepEqual(await answers(30, 'out', six(1)), ['pod1 fd00:244::1', 'pod2 fd00:244::1']);
  assert.deepEqual(await answers(30, 'out', 'fd00:8::1', 30686), ['pod1 fd00:244::1', 'pod2 fd00:244::1']);
  assert.equal(await ask('out', six(1), 81), 'ECONNREFUSED');
  const local = { externalTrafficPolicy: 'Local', sessionAffinity: 'ClientIP' };
  await applied(() => put(service(local), slice(two[0]!, 'fd00:244::12@b')));
  assert.deepEqual(await answers(10, 'out', 'fd00:8::1', 30686), ['pod1 fd00:8::2']);
  const udp = () => ask('out', six(1), 53, { do: 'udp', from: 4153, timeoutMs: 500 });
  await applied(() => put(service(), slice(two[0]!)));
  assert.equal(await udp(), 'pod1 fd00:244::1');
  await applied(() => client.set(discoveryV1.endpointslices, slice(two[1]!) as Draft<EndpointSlice>));
  const untilMs = systemClock.monotonic() + 3_000;
  let answer = await udp();
  while (answer !== 'pod2 fd00:244::1' && systemClock.monotonic() < untilMs) answer = await udp();
  assert.equal(answer, 'pod2 fd00:244::1');
  const status = { loadBalancer: { ingress: [{ ip: 'fd00:96::ff', ipMode: 'VIP' }] } };
  const balancer = (range: string) => service({ type: 'LoadBalancer', loadBalancerSourceRanges: [range] }, status);
  await applied(() => put(balancer('fd00:9::/64')));
  assert.equal(await ask('out', 'fd00:96::ff', 80, { timeoutMs: 200 }), 'timeout');
  await applied(() => put(balancer('fd00:8::/64')));
  assert.equal(await ask('out', 'fd00:96::ff'), 'pod2 fd00:244::1');
});

test('hints for the node choose its own endpoint', async () => {
  const near = testSlice('near', ['10.244.0.11@a >a', '10.244.0.12@b >b']);
  await applied(() => put(testService('near', spec(8)), near));
  assert.deepEqual(await answers(15, 'out', vip(8)), ['pod1 10.244.0.1']);
});

test('a deleted service leaves nothing, and rules that somebody flushed come back', async () => {
  await applied(() => client.remove(coreV1.services, 'default/near'));
  const table = await inNode('nft', ['list', 'table', 'ip', 'k8ts-proxy']);
  assert.ok(!table.includes(`${vip(8)} `));
  await inNode('nft', ['flush', 'ruleset']);
  await applied(() => client.set(discoveryV1.endpointslices, testSlice('web', both) as Draft<EndpointSlice>));
  assert.deepEqual(await answers(20, 'pod1', vip(1)), ['pod1 10.244.0.1', 'pod2 10.244.0.11']);
});

test('the kernel takes the rules of IPv6 services too, whole and in steps', async () => {
  const table = new RuleTable(6);
  const map = new ServiceMap();
  const ports = [{ name: 'p', protocol: 'TCP', port: 80, nodePort: 30443 }];
  const six = (more: object) =>
    testService('six', { clusterIP: 'fd00:96::1', clusterIPs: ['fd00:96::1'], type: 'NodePort', ports, ...more });
  const endpoints = (...list: string[]) => testSlice('six', list, { addressType: 'IPv6' });
  const base = baseScript({
    family: 6,
    podCidrs: ['fd00:244::/64'],
    serviceCidrs: ['fd00:96::/112'],
    masqueradeAll: false,
  });
  const step = async (service: Service, slice: EndpointSlice, first = false) => {
    map.putService(service);
    map.putSlice(slice);
    const context = { nodeName: 'a', zone: undefined, podCidrs: ['fd00:244::/64'] };
    table.set('default/six', map.plan('default/six', [6], context)?.rules.get(6));
    const changes = table.changes();
    await inNode('nft', ['-f', '-'], [...(first ? base : []), ...changes.lines, ''].join('\n'));
    table.commit(changes);
  };
  await step(six({}), endpoints('fd00:244::1@a', 'fd00:244::2@b'), true);
  await step(six({ externalTrafficPolicy: 'Local', externalIPs: ['fd00:8::9'] }), endpoints('fd00:244::1@a'));
  await step(six({ sessionAffinity: 'ClientIP' }), endpoints('fd00:244::1@a', 'fd00:244::2@b'));
  const balancer = { type: 'LoadBalancer', loadBalancerSourceRanges: ['fd00:5::/64'] };
  await step(
    testService(
      'six',
      { ...six({}).spec, ...balancer },
      { status: { loadBalancer: { ingress: [{ ip: 'fd00:8::8' }] } } },
    ),
    endpoints(...Array.from({ length: 100 }, (_, i) => `fd00:244::${i + 1}@a`)),
  );
  const have = await inNode('nft', ['list', 'table', 'ip6', 'k8ts-proxy']);
  assert.match(have, /fd00:8::8 \. tcp \. 80 : goto firewall-/);
  assert.match(have, /numgen random mod 100 map \{ 0 : fd00:244::1 \. 8080/);
  await step(six({}), endpoints());
  assert.match(await inNode('nft', ['list', 'map', 'ip6', 'k8ts-proxy', 'no-endpoint-services']), /goto reject-chain/);
});

test('10,000 services: written at once, one changed in a moment', async () => {
  const many = Array.from({ length: 10_000 }, (_, i) => {
    const ip = `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
    return testService(`many-${i}`, { clusterIP: ip, clusterIPs: [ip] });
  });
  const startedMs = systemClock.monotonic();
  await applied(() => {
    for (const [i, service] of many.entries()) put(service, testSlice(`many-${i}`, both));
  });
  const allMs = systemClock.monotonic() - startedMs;
  assert.deepEqual(await answers(20, 'pod1', '10.100.39.15'), ['pod1 10.244.0.1', 'pod2 10.244.0.11']);
  const changedMs = systemClock.monotonic();
  await applied(() =>
    client.set(discoveryV1.endpointslices, testSlice('many-9999', [both[0]!]) as Draft<EndpointSlice>),
  );
  const oneMs = systemClock.monotonic() - changedMs;
  assert.deepEqual(await answers(10, 'out', '10.96.0.1'), ['pod1 10.244.0.1', 'pod2 10.244.0.1']);
  assert.equal(await ask('pod2', '10.100.39.15'), 'pod1 10.244.0.12');
  console.log(`# 10,000 services: all ${allMs.toFixed(0)} ms, one endpoint ${oneMs.toFixed(0)} ms`);
  assert.ok(oneMs < 1_000, `${oneMs} ms for one endpoint`);
});
