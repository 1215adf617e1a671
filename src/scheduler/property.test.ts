// Random clusters: what is placed fits, by a reckoning that shares nothing with the scheduler; and what the scheduler
// calls impossible is impossible by a naive twin of its filters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Draft } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Node, Pod } from '../api/type/core-v1.ts';
import { schedulerBench, testNode, testPod } from './test-cluster.ts';

const zone = 'zone';
const app = fc.constantFrom('x', 'y');
/** Mostly nothing, else every pod is kept from everywhere. */
const seldom = <T>(...values: T[]) =>
  fc.constantFrom<T | undefined>(...Array.from({ length: 2 * values.length }, () => undefined), ...values);
const nodeSpec = fc.record({
  cpu: fc.integer({ min: 1, max: 4 }),
  pods: fc.integer({ min: 1, max: 4 }),
  zone: fc.constantFrom('z1', 'z2', 'z3', undefined),
  taint: seldom('NoSchedule', 'NoExecute', 'PreferNoSchedule'),
  cordoned: seldom(true),
});
const podSpec = fc.record({
  cpu: fc.integer({ min: 0, max: 3 }),
  app,
  port: seldom(80, 81),
  tolerates: fc.boolean(),
  zone: seldom('z1', 'z2'),
  apart: seldom('x', 'y'),
  beside: seldom('x', 'y'),
  skew: seldom(1, 2),
});
type NodeSpec = typeof nodeSpec extends fc.Arbitrary<infer T> ? T : never;
type PodSpec = typeof podSpec extends fc.Arbitrary<infer T> ? T : never;

const nodeOf = (n: NodeSpec, i: number): Draft<Node> =>
  testNode(`n${i}`, {
    labels: n.zone ? { [zone]: n.zone } : {},
    allocatable: { cpu: String(n.cpu), pods: String(n.pods) },
    spec: {
      ...(n.cordoned ? { unschedulable: true } : {}),
      ...(n.taint ? { taints: [{ key: 'k', effect: n.taint }] } : {}),
    },
  });

const like = (a: string) => ({ labelSelector: { matchLabels: { app: a } }, topologyKey: zone });

const podOf = (p: PodSpec, i: number): Draft<Pod> =>
  testPod(`p${i}`, {
    labels: { app: p.app },
    ...(p.cpu ? { requests: { cpu: String(p.cpu) } } : {}),
    ...(p.port ? { container: { ports: [{ containerPort: 1, hostPort: p.port }] } } : {}),
    spec: {
      ...(p.tolerates ? { tolerations: [{ key: 'k', operator: 'Exists' }] } : {}),
      ...(p.zone ? { nodeSelector: { [zone]: p.zone } } : {}),
      affinity: {
        ...(p.apart ? { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [like(p.apart)] } } : {}),
        ...(p.beside ? { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [like(p.beside)] } } : {}),
      },
      ...(p.skew
        ? {
            topologySpreadConstraints: [
              { ...like(p.app), maxSkew: p.skew, whenUnsatisfiable: 'DoNotSchedule', nodeAffinityPolicy: 'Ignore' },
            ],
          }
        : {}),
    },
  });

interface Placed {
  readonly spec: PodSpec;
  readonly node: number;
}

/** Straight from the documentation, with loops over everything. */
function allowed(pod: PodSpec, at: number, nodes: readonly NodeSpec[], placed: readonly Placed[]): boolean {
  const node = nodes[at]!;
  const here = placed.filter(p => p.node === at);
  if (node.cordoned) return false;
  if ((node.taint === 'NoSchedule' || node.taint === 'NoExecute') && !pod.tolerates) return false;
  if (pod.zone && node.zone !== pod.zone) return false;
  if (here.length + 1 > node.pods) return false;
  if (pod.cpu > 0 && here.reduce((sum, p) => sum + p.spec.cpu, 0) + pod.cpu > node.cpu) return false;
  if (pod.port && here.some(p => p.spec.port === pod.port)) return false;
  const zoneOf = (p: Placed) => nodes[p.node]!.zone;
  const inZone = placed.filter(p => node.zone && zoneOf(p) === node.zone);
  if (pod.apart && inZone.some(p => p.spec.app === pod.apart)) return false;
  if (inZone.some(p => p.spec.apart === pod.app)) return false;
  if (pod.beside) {
    if (!node.zone) return false;
    const anywhere = placed.some(p => zoneOf(p) && p.spec.app === pod.beside);
    const first = !anywhere && pod.app === pod.beside;
    if (!first && !inZone.some(p => p.spec.app === pod.beside)) return false;
  }
  if (pod.skew) {
    if (!node.zone) return false;
    const zones = [...new Set(nodes.map(n => n.zone).filter(z => z))];
    const counts = zones.map(z => placed.filter(p => zoneOf(p) === z && p.spec.app === pod.app).length);
    if (counts[zones.indexOf(node.zone)]! + 1 - Math.min(...counts) > pod.skew) return false;
  }
  return true;
}

test('each placement is one the naive twin allows, and none is missed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(nodeSpec, { minLength: 1, maxLength: 6 }),
      fc.array(podSpec, { minLength: 1, maxLength: 12 }),
      fc.integer(),
      async (nodes, pods, seed) => {
        await using b = await schedulerBench({ seed, objects: nodes.map(nodeOf) });
        const placed: Placed[] = [];
        for (const [i, spec] of pods.entries()) {
          const name = await b.place(podOf(spec, i));
          const options = nodes.map((_, at) => at).filter(at => allowed(spec, at, nodes, placed));
          if (name) {
            const node = Number(name.slice(1));
            assert.ok(options.includes(node), `pod ${i} on ${name}, allowed: ${options}`);
            placed.push({ spec, node });
          } else {
            assert.deepEqual(options, [], `pod ${i}: ${b.condition(`p${i}`)?.message}`);
            b.client.remove(coreV1.pods, `default/p${i}`);
          }
        }
      },
    ),
    { numRuns: 100, verbose: 1 },
  );
});

test('never overcommits, however many come at once, bindings fail and pods go', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(nodeSpec, { minLength: 1, maxLength: 4 }),
      fc.array(podSpec, { minLength: 1, maxLength: 25 }),
      fc.array(fc.nat(24), { maxLength: 8 }),
      fc.integer({ min: 0, max: 5 }),
      async (nodes, pods, gone, failures) => {
        await using b = await schedulerBench({ objects: nodes.map(nodeOf) });
        if (failures)
          b.client.failNext('create', coreV1.pods, new Error('cut off'), { subresource: 'binding', times: failures });
        for (const [i, spec] of pods.entries()) b.client.set(coreV1.pods, podOf(spec, i));
        await b.settle();
        for (const i of gone)
          if (b.client.object(coreV1.pods, `default/p${i}`)) b.client.remove(coreV1.pods, `default/p${i}`);
        await b.clock.advance(12_000);
        await b.settle();
        for (const [at, node] of nodes.entries()) {
          const here = b.client.objects(coreV1.pods).filter(p => p.spec.nodeName === `n${at}`);
          const specs = here.map(p => pods[Number(p.metadata.name!.slice(1))]!);
          assert.ok(here.length <= node.pods);
          assert.ok(specs.reduce((sum, s) => sum + s.cpu, 0) <= node.cpu);
          const ports = specs.flatMap(s => (s.port ? [s.port] : []));
          assert.equal(new Set(ports).size, ports.length);
          const info = b.scheduler.cache.node(`n${at}`)!;
          assert.equal(info.pods.size, here.length, 'the cache knows what is there');
          assert.equal(info.requested.milliCpu, 1000 * specs.reduce((sum, s) => sum + s.cpu, 0));
        }
        assert.equal(b.scheduler.cache.assumedCount, 0);
      },
    ),
    { numRuns: 40, verbose: 1 },
  );
});
