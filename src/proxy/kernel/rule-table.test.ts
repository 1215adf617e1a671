import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { baseScript } from './base-rules.ts';
import type { Contribution } from './rule-set.ts';
import { RuleTable } from './rule-table.ts';
import { ServiceMap } from './service-map.ts';
import { testService, testSlice } from './test-objects.ts';

const context = { nodeName: 'a', zone: undefined, podCidrs: ['10.244.0.0/16'] };

/** A table as nft would have it: refuses what nft refuses. */
class TableModel {
  readonly chains = new Map<string, string[]>();
  readonly sets = new Map<string, Map<string, string>>();

  run(lines: readonly string[]): void {
    for (const line of lines) this.#run(line);
    // A commit in which anything refers to what is not there fails.
    for (const text of [...this.chains.values()].flat().concat([...this.sets.values()].flatMap(m => [...m.values()])))
      for (const [, word, name] of text.matchAll(/\b(goto|jump) ([\w./-]+)|@([\w./-]+)/g))
        if (word) assert.ok(this.chains.has(name!), `chain ${name} is missing`);
  }

  #run(line: string): void {
    const [verb, what, , , name = ''] = line.split(' ');
    const rest = line.split(' ').slice(5).join(' ');
    const at = `${verb} ${what}`;
    if (what === 'table') {
      this.chains.clear();
      this.sets.clear();
    } else if (at === 'add chain') {
      assert.ok(!this.chains.has(name), line);
      this.chains.set(name, []);
    } else if (at === 'add rule') this.#chain(name, line).push(rest);
    else if (at === 'flush chain') this.#chain(name, line).length = 0;
    else if (at === 'delete chain') {
      assert.equal(this.#chain(name, line).length, 0, line);
      this.chains.delete(name);
    } else if (at === 'add set' || at === 'add map') this.sets.set(name, this.sets.get(name) ?? new Map());
    else if (at === 'delete set') assert.ok(this.sets.delete(name), line);
    else {
      const set = this.sets.get(name);
      assert.ok(set, line);
      for (const element of rest.slice(2, -2).split(', ')) {
        const [key = '', data = ''] = element.split(' : ');
        if (at === 'add element') assert.ok(!set.has(key), `${key} is in ${name} already`);
        else assert.ok(set.has(key), `${key} is not in ${name}`);
        if (at === 'add element') set.set(key, data);
        else set.delete(key);
      }
    }
  }

  #chain(name: string, line: string): string[] {
    const chain = this.chains.get(name);
    assert.ok(chain, line);
    return chain;
  }

  dump(): string[] {
    const sets = [...this.sets].flatMap(([name, m]) => [...m].map(([k, v]) => `${name} ${k} ${v}`).concat(name));
    return [...[...this.chains].map(([name, rules]) => [name, ...rules].join('\n')), ...sets].sort();
  }
}

const base = baseScript({
  family: 4,
  podCidrs: ['10.244.0.0/16'],
  serviceCidrs: ['10.96.0.0/12'],
  masqueradeAll: false,
});

function tableOf(services: Iterable<Service>, slices: Iterable<EndpointSlice>): RuleTable {
  const map = new ServiceMap();
  for (const s of services) map.putService(s);
  for (const s of slices) map.putSlice(s);
  const table = new RuleTable(4);
  for (const key of map.keys()) table.set(key, map.plan(key, [4], context)?.rules.get(4));
  return table;
}

const serviceArbitrary = fc.record({
  name: fc.constantFrom('x', 'y', 'z'),
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
  affinity: fc.boolean(),
  internalLocal: fc.boolean(),
  externalLocal: fc.boolean(),
  externalIp: fc.constantFrom(undefined, '192.0.2.1', '192.0.2.2'),
  ranges: fc.boolean(),
  udp: fc.boolean(),
});
const sliceArbitrary = fc.record({
  service: fc.constantFrom('x', 'y', 'z'),
  endpoints: fc.uniqueArray(
    fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom('@a', '@b'), fc.constantFrom('', ' -', ' ~', ' >a')),
    { selector: ([n]) => n, maxLength: 5 },
  ),
});
const clusterIps: Record<string, string> = { x: '10.96.0.1', y: '10.96.0.2', z: '10.96.0.3' };
const nodePorts: Record<string, number> = { x: 30001, y: 30002, z: 30003 };

function serviceFrom(s: typeof serviceArbitrary extends fc.Arbitrary<infer T> ? T : never): Service {
  const reachable = s.type !== 'ClusterIP';
  const spec = {
    type: s.type,
    clusterIP: clusterIps[s.name],
    clusterIPs: [clusterIps[s.name]],
    ports: [
      { name: 'p', protocol: 'TCP', port: 80, ...(reachable ? { nodePort: nodePorts[s.name] } : {}) },
      ...(s.udp ? [{ name: 'u', protocol: 'UDP', port: 53 }] : []),
    ],
    ...(s.affinity ? { sessionAffinity: 'ClientIP' } : {}),
    ...(s.internalLocal ? { internalTrafficPolicy: 'Local' } : {}),
    ...(s.externalLocal && reachable ? { externalTrafficPolicy: 'Local' } : {}),
    ...(s.externalIp ? { externalIPs: [s.externalIp] } : {}),
    ...(s.ranges ? { loadBalancerSourceRanges: ['203.0.113.0/24'] } : {}),
  };
  const status = s.type === 'LoadBalancer' ? { loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } } : {};
  return testService(s.name, spec, { status });
}

test('transactions one after the other lead where a fresh computation leads', () => {
  const step = fc.oneof(
    serviceArbitrary.map(s => ({ what: 'service' as const, s })),
    sliceArbitrary.map(s => ({ what: 'slice' as const, s })),
    fc.constantFrom('x', 'y', 'z').map(s => ({ what: 'no service' as const, s })),
  );
  fc.assert(
    fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 12 }), rounds => {
      const services = new Map<string, Service>();
      const slices = new Map<string, EndpointSlice>();
      const map = new ServiceMap();
      const table = new RuleTable(4);
      const model = new TableModel();
      model.run([...base, ...table.rebuild().lines]);
      for (const round of rounds) {
        const dirty = new Set<string | undefined>();
        for (const c of round) {
          if (c.what === 'service') {
            const service = serviceFrom(c.s);
            services.set(c.s.name, service);
            dirty.add(map.putService(service));
          } else if (c.what === 'slice') {
            const slice = testSlice(
              c.s.service,
              c.s.endpoints.map(([n, node, flag]) => `10.244.0.${n}${node}${flag}`),
            );
            slices.set(c.s.service, slice);
            dirty.add(map.putSlice(slice));
          } else if (services.has(c.s)) {
            dirty.add(map.deleteService(services.get(c.s)!));
            services.delete(c.s);
          }
        }
        for (const key of dirty) if (key) table.set(key, map.plan(key, [4], context)?.rules.get(4));
        const changes = table.changes();
        model.run(changes.lines);
        table.commit(changes);
        assert.deepEqual(table.changes().lines, []);
        const fresh = new TableModel();
        fresh.run([...base, ...tableOf(services.values(), slices.values()).rebuild().lines]);
        assert.deepEqual(model.dump(), fresh.dump());
      }
    }),
    { numRuns: 150 },
  );
});

test('a change of one endpoint is a handful of elements', () => {
  const map = new ServiceMap();
  const service = testService('web', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'] });
  map.putService(service);
  map.putSlice(testSlice('web', ['10.244.0.1', '10.244.0.2']));
  const table = new RuleTable(4);
  const sync = () => {
    table.set('default/web', map.plan('default/web', [4], context)?.rules.get(4));
    const changes = table.changes();
    table.commit(changes);
    return changes.lines;
  };
  sync();
  map.putSlice(testSlice('web', ['10.244.0.1', '10.244.0.3']));
  assert.deepEqual(sync(), [
    'delete element ip k8ts-proxy endpoints { 10.96.0.1 . tcp . 80 . 1 }',
    'add element ip k8ts-proxy endpoints { 10.96.0.1 . tcp . 80 . 1 : 10.244.0.3 . 8080 }',
  ]);
  assert.deepEqual(sync(), []);
});

test('what was refused is written again with what came since', () => {
  const one = (data: string): Contribution => ({ elements: [{ set: 'm', key: 'k', data }], chains: [], sets: [] });
  const table = new RuleTable(4);
  table.set('a', one('1'));
  table.changes();
  table.set('a', one('2'));
  const changes = table.rebuild();
  assert.deepEqual(changes.lines, ['add element ip k8ts-proxy m { k : 2 }']);
  table.set('a', one('3'));
  table.commit(changes);
  assert.deepEqual(table.changes().lines, [
    'delete element ip k8ts-proxy m { k }',
    'add element ip k8ts-proxy m { k : 3 }',
  ]);
});

test('of two services that claim one address the first has it, then the other', () => {
  const claim = (data: string): Contribution => ({ elements: [{ set: 'm', key: 'k', data }], chains: [], sets: [] });
  const table = new RuleTable(4);
  table.set('b', claim('b'));
  table.commit(table.changes());
  table.set('a', claim('a'));
  table.commit(table.changes());
  assert.deepEqual([...table.applied().values()], ['a']);
  table.set('a');
  table.commit(table.changes());
  assert.deepEqual([...table.applied().values()], ['b']);
});
