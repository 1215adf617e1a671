// Random writes of Services, several at a time, to one server and to two on one store. Whatever is refused: afterwards
// services, their address objects and what is counted as given out must add up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '../../base/random.ts';
import { memoryStore } from '../../store/memory-store.ts';
import type { Store } from '../../store/store.ts';
import { superuserOf } from '../test-api.ts';
import { type Caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const services = '/api/v1/namespaces/default/services';
// Small, so that they are full now and then.
const options = { serviceCidrs: ['10.96.0.0/26', 'fd00:96::/122'], nodePortRange: [30000, 30031] as const };
const types = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const policies = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
const families = [['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']];

/** Makes up requests. */
class Writer {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(n: number): number {
    return Math.floor(this.#random.next() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  #maybe(chance: number, make: () => object): object {
    return this.#random.next() < chance ? make() : {};
  }

  #ip(prefix: string, radix: number): string {
    return `${prefix}${this.below(66).toString(radix)}`;
  }

  #addresses(): object {
    const [four, six] = [this.#ip('10.96.0.', 10), this.#ip('fd00:96::', 16)];
    const clusterIPs = this.pick([['None'], [four], [six], [four, six], [six, four]]);
    return { clusterIPs, clusterIP: clusterIPs[0] };
  }

  #spec(): object {
    const type = this.pick(types);
    const external = type === 'NodePort' || type === 'LoadBalancer';
    return {
      type,
      ...(type === 'ExternalName' ? { externalName: 'a.b' } : {}),
      ports: Array.from({ length: 1 + this.below(3) }, (_, i) => ({
        name: `p${i}`,
        port: this.pick([80, 81, 82]),
        protocol: this.pick(['TCP', 'UDP']),
        ...this.#maybe(0.3, () => ({ nodePort: 29998 + this.below(36) })),
      })),
      ...this.#maybe(0.4, () => ({ ipFamilyPolicy: this.pick(policies) })),
      ...this.#maybe(0.2, () => ({ ipFamilies: this.pick(families) })),
      ...this.#maybe(0.4, () => this.#addresses()),
      ...(external ? this.#maybe(0.4, () => ({ externalTrafficPolicy: this.pick(['Local', 'Cluster']) })) : {}),
      ...(type === 'LoadBalancer'
        ? this.#maybe(0.4, () => ({ allocateLoadBalancerNodePorts: this.pick([true, false]) }))
        : {}),
    };
  }

  async write(api: Caller): Promise<void> {
    const name = `s${this.below(12)}`;
    const query = this.below(6) === 0 ? '?dryRun=All' : '';
    const patch = (body: object, sub = '') => api.send('PATCH', `${services}/${name}${sub}${query}`, body, mergePatch);
    const metadata = { name, ...this.#maybe(0.1, () => ({ finalizers: ['a.b/c'] })) };
    const requests = [
      () => api.send('POST', services + query, { metadata, spec: this.#spec() }),
      () => api.send('POST', services + query, { metadata, spec: this.#spec() }),
      () => api.send('PUT', `${services}/${name}${query}`, { metadata, spec: this.#spec() }),
      () => patch({ spec: this.#spec() }),
      () => patch({ spec: { ipFamilyPolicy: this.pick([...policies, null]) } }),
      () => patch({ spec: { type: this.pick(types), externalName: 'x.y' } }),
      () => patch({ metadata: { finalizers: null } }, this.pick(['', '/status'])),
      () => api.send('DELETE', `${services}/${name}${query}`),
    ];
    const { code, object } = await this.pick(requests)();
    if (code >= 500) assert.match(object.message, /range is full|already allocated|not in the valid range/);
  }
}

function checkService({ spec }: Json): void {
  const told = JSON.stringify(spec);
  const { type, clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy, ports = [] } = spec;
  const isLoadBalancer = type === 'LoadBalancer';
  if (type === 'ExternalName') {
    assert.deepEqual([clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy], Array(4).fill(undefined), told);
    return;
  }
  assert.equal(clusterIPs[0], clusterIP, told);
  if (clusterIP !== 'None')
    assert.deepEqual(
      clusterIPs.map((ip: string) => (ip.includes(':') ? 'IPv6' : 'IPv4')),
      ipFamilies,
      told,
    );
  assert.equal(ipFamilyPolicy === 'SingleStack', ipFamilies.length === 1, told);
  const have = ports.filter((p: Json) => p.nodePort).length;
  if (type === 'NodePort' || (isLoadBalancer && spec.allocateLoadBalancerNodePorts))
    assert.equal(have, ports.length, told);
  if (type === 'ClusterIP') assert.equal(have, 0, told);
  assert.equal(isLoadBalancer && spec.externalTrafficPolicy === 'Local', spec.healthCheckNodePort !== undefined, told);
}

const portsOf = ({ spec }: Json): number[] =>
  spec.type === 'ExternalName'
    ? []
    : [...new Set<number>([...(spec.ports ?? []).map((p: Json) => p.nodePort), spec.healthCheckNodePort])].filter(
        Boolean,
      );

async function check(api: Caller, counted: TestServer | undefined): Promise<void> {
  const list = (await api.expect(200, 'GET', '/api/v1/services')).items as Json[];
  for (const service of list) checkService(service);
  const ips = list.flatMap(({ metadata, spec }) =>
    (spec.clusterIPs ?? [])
      .filter((ip: string) => ip !== 'None')
      .map((ip: string) => `${ip} ${metadata.namespace}/${metadata.name}`),
  );
  const objects = (await api.expect(200, 'GET', '/apis/networking.k8s.io/v1/ipaddresses')).items as Json[];
  const held = objects.map(
    ({ metadata, spec }) => `${metadata.name} ${spec.parentRef.namespace}/${spec.parentRef.name}`,
  );
  assert.deepEqual(ips.toSorted(), held.toSorted());
  const ports = list.flatMap(portsOf);
  assert.equal(new Set(ports).size, ports.length, `${ports}`);
  if (!counted) return;
  const lines = (await counted.server.metrics.text()).split('\n');
  const sum = (name: string) =>
    lines.filter(l => l.startsWith(`kube_apiserver_${name}`)).reduce((all, l) => all + Number(l.split(' ').at(-1)), 0);
  assert.equal(sum('clusterip_allocator_allocated_ips'), ips.length);
  assert.equal(sum('nodeport_allocator_allocated_ports'), ports.length);
}

/** The store as one of several servers has it, which outlives that server. */
const shared = (store: Store): Store =>
  new Proxy(store, {
    get(target, name) {
      if (name === 'newestRevision') return async () => store.revision;
      if (name === 'close') return async () => {};
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

for (const [count, seed] of [
  [1, 1],
  [2, 2],
] as const)
  test(`services of ${count} server(s) add up (seed ${seed})`, async () => {
    const store = memoryStore();
    const servers: TestServer[] = [];
    for (let i = 0; i < count; i++)
      servers.push(await startTestServer({ ...options, store: count === 1 ? store : shared(store) }));
    const apis = servers.map(superuserOf);
    const writer = new Writer(seed);
    try {
      for (let round = 0; round < 200; round++) {
        const many = writer.below(3) === 0 ? 1 + writer.below(8) : 1;
        await Promise.all(Array.from({ length: many }, () => writer.write(writer.pick(apis))));
        // What others wrote is told in later turns.
        for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve));
        await check(apis[0]!, count === 1 ? servers[0] : undefined);
      }
    } finally {
      for (const api of apis) api.close();
      for (const server of servers) await server.stop();
    }
  });
