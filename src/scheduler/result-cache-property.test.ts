// Results are kept only while they are true: a scheduler that keeps them does, in every random history, what one does
// whose profile has a filter that looks beyond the node, so that nothing about preemption or nominations can be kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTime } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { defaultProfile, type ProfileConfig } from './profile-config.ts';
import { type SchedulerBench, schedulerBench, testNode, testPod } from './test-cluster.ts';

const forgetful = (): ProfileConfig => {
  const profile = defaultProfile();
  const plugin = {
    name: 'LooksFurther',
    weight: 0,
    args: undefined,
    create: () => ({ name: 'LooksFurther', filter: () => undefined }),
  };
  return { ...profile, plugins: [...profile.plugins, plugin] } as ProfileConfig;
};

const pod = fc.record({
  op: fc.constant('pod' as const),
  cpu: fc.integer({ min: 0, max: 3 }),
  priority: fc.integer({ min: 0, max: 3 }),
  port: fc.constantFrom(undefined, undefined, 80),
  grace: fc.constantFrom(0, 30),
});
const step = fc.oneof(
  { weight: 6, arbitrary: pod },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('start' as const), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 40 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(b: SchedulerBench, s: Step, i: number): Promise<void> {
  const existing = () => {
    const all = b.client.objects(coreV1.pods);
    return 'which' in s ? all[s.which % Math.max(1, all.length)] : undefined;
  };
  if (s.op === 'pod') {
    const container = s.port ? { ports: [{ containerPort: 1, hostPort: s.port }] } : {};
    const requests = s.cpu ? { cpu: String(s.cpu) } : {};
    const spec = { priority: s.priority, terminationGracePeriodSeconds: s.grace };
    b.client.set(coreV1.pods, testPod(`p${i}`, { requests, container, spec }));
  } else if (s.op === 'remove') {
    const gone = existing();
    if (gone) b.client.remove(coreV1.pods, `default/${gone.metadata.name}`);
  } else if (s.op === 'start') {
    const started = existing();
    const startTime = formatTime(b.clock.now());
    if (started) b.client.set(coreV1.pods, { ...started, status: { ...started.status, startTime } } as object);
  } else await b.clock.advance(s.seconds * 1000);
  // Sometimes several at once.
  if (i % 3 === 0) await b.settle();
}

async function history(steps: readonly Step[], seed: number, profiles: readonly ProfileConfig[]) {
  const nodes = Array.from({ length: 3 }, (_, i) => testNode(`n${i}`, { allocatable: { cpu: String(2 + (i % 2)) } }));
  await using b = await schedulerBench({ seed, objects: nodes, profiles });
  for (const [i, s] of steps.entries()) await take(b, s, i);
  await b.clock.advance(60_000);
  await b.settle();
  return b.client.writes().filter(w => !w.includes('events'));
}

test('with results kept the same pods go to the same nodes and the same ones are evicted', async () => {
  let [evictions, placements] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), fc.integer(), async (steps, seed) => {
      const kept = await history(steps, seed, [defaultProfile()]);
      assert.deepEqual(kept, await history(steps, seed, [forgetful()]));
      evictions += kept.filter(w => w.startsWith('delete')).length;
      placements += kept.filter(w => w.includes('binding')).length;
    }),
    { numRuns: 60, verbose: 1 },
  );
  assert.ok(evictions > 40 && placements > 200, `${evictions} evictions, ${placements} placements`);
});
