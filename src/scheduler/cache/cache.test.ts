import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { podInfoOf } from '../pod-info.ts';
import { testNode, testPod } from '../test-cluster.ts';
import { Cache } from './cache.ts';

const nodeOf = (n: number, z: string) => testNode(`n${n}`, { labels: { zone: z } }) as unknown as Node;
const podOf = (p: number, app: string, cpu: number, node = '') =>
  podInfoOf(
    testPod(`p${p}`, {
      labels: { app },
      requests: { cpu: String(cpu) },
      spec: {
        ...(node ? { nodeName: node } : {}),
        ...(cpu === 2
          ? {
              affinity: {
                podAntiAffinity: {
                  requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: {} }],
                },
              },
            }
          : {}),
      },
    }) as unknown as Pod,
  );

const [node, pod] = [fc.nat(3), fc.nat(7)];
const app = fc.constantFrom('x', 'y');
const operation = fc.oneof(
  fc.record({ op: fc.constant('setNode' as const), node, zone: fc.constantFrom('z1', 'z2') }),
  fc.record({ op: fc.constant('removeNode' as const), node }),
  fc.record({ op: fc.constant('assume' as const), node, pod, app, cpu: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ op: fc.constant('setPod' as const), node, pod, app, cpu: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ op: fc.constant('forget' as const), pod }),
  fc.record({ op: fc.constant('removePod' as const), pod }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Plain maps, counted anew each time. */
interface Twin {
  readonly nodes: Map<string, string>;
  readonly pods: Map<string, { node: string; app: string; cpu: number; assumed: boolean }>;
}

function apply(cache: Cache, twin: Twin, o: Operation): void {
  const name = 'node' in o ? `n${o.node}` : '';
  const uid = 'pod' in o ? `uid-p${o.pod}` : '';
  switch (o.op) {
    case 'setNode':
      cache.setNode(nodeOf(o.node, o.zone));
      twin.nodes.set(name, o.zone);
      return;
    case 'removeNode':
      cache.removeNode(name);
      twin.nodes.delete(name);
      return;
    case 'assume':
      if (twin.pods.has(uid)) return;
      cache.assume(podOf(o.pod, o.app, o.cpu), name);
      twin.pods.set(uid, { node: name, app: o.app, cpu: o.cpu, assumed: true });
      return;
    case 'setPod':
      cache.setPod(podOf(o.pod, o.app, o.cpu, name));
      twin.pods.set(uid, { node: name, app: o.app, cpu: o.cpu, assumed: false });
      return;
    case 'forget':
      cache.forget(uid);
      if (twin.pods.get(uid)?.assumed) twin.pods.delete(uid);
      return;
    case 'removePod':
      cache.removePod(uid);
      twin.pods.delete(uid);
  }
}

function check(cache: Cache, twin: Twin): void {
  assert.deepEqual(cache.nodes.map(n => n.name).sort(), [...twin.nodes.keys()].sort());
  assert.equal(cache.podCount, twin.pods.size);
  const pods = [...twin.pods.values()];
  assert.equal(cache.assumedCount, pods.filter(p => p.assumed).length);
  assert.equal(new Set(cache.nodes.map(n => n.slot)).size, cache.nodes.length);
  assert.ok(cache.nodes.every(n => n.slot >= 0 && n.slot < cache.slots));
  for (const n of cache.nodes) {
    const here = pods.filter(p => p.node === n.name);
    assert.equal(n.pods.size, here.length);
    assert.equal(n.requested.milliCpu, 1000 * here.reduce((sum, p) => sum + p.cpu, 0));
  }
  const anti = new Map<string, number>();
  for (const p of pods) {
    const z = twin.nodes.get(p.node);
    if (p.cpu === 2 && z) anti.set(z, (anti.get(z) ?? 0) + 1);
  }
  const terms = [...cache.placedTerms('requiredAnti')];
  assert.equal(terms.length, pods.some(p => p.cpu === 2) ? 1 : 0);
  const sums = [...(terms[0]?.sums ?? [])].filter(([, n]) => n > 0);
  assert.deepEqual(new Map(sums.sort()), new Map([...anti].sort()));
  const matches = (p: { labels: Readonly<Record<string, string>> }) => p.labels.app === 'x';
  const counts = cache.count('x', ['default'], matches);
  const wanted = new Map<string, number>();
  for (const p of pods) if (p.app === 'x') wanted.set(p.node, (wanted.get(p.node) ?? 0) + 1);
  assert.deepEqual(new Map([...counts].sort()), new Map([...wanted].sort()));
  const zones = new Map([...twin.nodes.values()].map(z => [z, 0]));
  for (const [at, n] of wanted)
    if (twin.nodes.has(at)) zones.set(twin.nodes.get(at)!, zones.get(twin.nodes.get(at)!)! + n);
  const domains = cache.countByDomain('x', ['default'], matches, 'zone');
  assert.deepEqual(new Map([...domains].sort()), new Map([...zones].sort()));
}

test('agrees with plain maps after any changes', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), operations => {
      const cache = new Cache({ clock: new VirtualClock() });
      const twin: Twin = { nodes: new Map(), pods: new Map() };
      for (const o of operations) {
        apply(cache, twin, o);
        check(cache, twin);
      }
    }),
    { numRuns: 150, verbose: 1 },
  );
});

test('a change of a pod that takes the same leaves the generation of its node', () => {
  const cache = new Cache({ clock: new VirtualClock() });
  cache.setNode(nodeOf(1, 'z'));
  cache.assume(podOf(1, 'x', 2), 'n1');
  const before = cache.node('n1')!.generation;
  cache.setPod(podOf(1, 'x', 2, 'n1'));
  assert.equal(cache.node('n1')!.generation, before);
  assert.equal(cache.assumedCount, 0);
  assert.equal(cache.node('n1')!.pods.get('uid-p1')?.pod.spec.nodeName, 'n1');
  cache.setPod(podOf(1, 'y', 2, 'n1'));
  assert.notEqual(cache.node('n1')!.generation, before);
});

test('nodes of all zones in turn', () => {
  const cache = new Cache({ clock: new VirtualClock() });
  const zone = 'topology.kubernetes.io/zone';
  for (const [n, z] of [
    ['a', '1'],
    ['b', '1'],
    ['c', '2'],
    ['d', '3'],
  ] as const)
    cache.setNode(testNode(n, { labels: { [zone]: z } }) as unknown as Node);
  assert.deepEqual(
    cache.nodes.map(n => n.name),
    ['a', 'c', 'd', 'b'],
  );
});
