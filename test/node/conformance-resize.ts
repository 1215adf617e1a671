// The official suite's tests of resizing pods in place, done as it does them: spec, status, control groups, restarts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod, ResourceRequirements } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';

type List = Readonly<Record<string, string>>;
/** cpu in milli, memory in MiB; 0 for none. */
type Amount = readonly [cpuMilli: number, memoryMib: number];

const list = ([cpu, memory]: Amount): List => ({
  ...(cpu ? { cpu: `${cpu}m` } : {}),
  ...(memory ? { memory: `${memory}Mi` } : {}),
});
const given = (requests: Amount, limits: Amount = [0, 0]): ResourceRequirements => {
  const [r, l] = [list(requests), list(limits)];
  return { ...(Object.keys(r).length ? { requests: r } : {}), ...(Object.keys(l).length ? { limits: l } : {}) };
};
const guaranteed = (...amount: Amount) => given(amount, amount);
const milli = (text = '0') => Number.parseInt(text, 10) * (text.endsWith('m') ? 1 : 1000);

/** What the kernel should have been told, by control groups' first version and its second. */
function expectedCgroup({ requests, limits }: ResourceRequirements): { quota: string; shares: number; memory: string } {
  const limit = milli(limits?.cpu);
  const request = milli(requests?.cpu ?? limits?.cpu);
  return {
    quota: limit ? String(Math.max(1000, limit * 100)) : 'none',
    shares: Math.max(2, Math.floor((request * 1024) / 1000)),
    memory: limits?.memory ? String(Number.parseInt(limits.memory, 10) * 2 ** 20) : 'none',
  };
}
const readCgroup = `cd /sys/fs/cgroup; if [ -e cpu.max ]; then cat cpu.max cpu.weight memory.max; else cat cpu/cpu.cfs_quota_us cpu/cpu.shares memory/memory.limit_in_bytes; fi`;
const unlimited = (text = '') => (/^(max|-1|9223372036854771712)\b/.test(text) ? 'none' : text.split(' ')[0]!);

interface Step {
  readonly before: ResourceRequirements;
  readonly after?: ResourceRequirements;
  /** Which of its resources restart the container when they change. */
  readonly restarts?: readonly string[];
}

export function conformanceResize(c: () => ClusterAccess): void {
  const statusOf = (pod: Pod, name: string) => pod.status?.containerStatuses?.find(s => s.name === name);
  const isAs = (a: ResourceRequirements | undefined, b: ResourceRequirements) =>
    ['requests', 'limits'].every(k => ['cpu', 'memory'].every(r => a?.[k as 'limits']?.[r] === b[k as 'limits']?.[r]));

  const containersOf = (steps: Readonly<Record<string, Step>>): Container[] =>
    Object.entries(steps).map(([name, step]) => ({
      name,
      image: c().image,
      command: sh(waiting),
      resources: step.before,
      resizePolicy: ['cpu', 'memory'].map(resourceName => ({
        resourceName,
        restartPolicy: step.restarts?.includes(resourceName) ? 'RestartContainer' : 'NotRequired',
      })),
    }));

  const verifyCgroups = async (pod: string, wanted: Readonly<Record<string, ResourceRequirements>>) => {
    await Promise.all(
      Object.entries(wanted).map(async ([name, resources]) => {
        const [quota, shares, memory] = (await c().exec(pod, readCgroup, name)).split('\n');
        const expected = expectedCgroup(resources);
        assert.deepEqual(
          { quota: unlimited(quota), memory: unlimited(memory) },
          { quota: expected.quota, memory: expected.memory },
          `${pod} ${name}`,
        );
        // The second version has weights instead.
        if (!quota?.includes(' ')) assert.equal(Number(shares), expected.shares, `${pod} ${name}`);
      }),
    );
  };

  /** Makes the pod, resizes it, and back again where that takes nothing away; looks at everything before and after. */
  const roundTrip = async (name: string, steps: Readonly<Record<string, Step>>, write: typeof byPatch = byPatch) => {
    // As the official pods have it: what is killed to restart may end well.
    await c().pod(name, { restartPolicy: 'OnFailure', containers: containersOf(steps) });
    const made = await c().ready(name);
    const befores = Object.fromEntries(Object.entries(steps).map(([n, s]) => [n, s.before]));
    const afters = Object.fromEntries(Object.entries(steps).map(([n, s]) => [n, s.after ?? s.before]));
    await verifyCgroups(name, befores);
    const restarts = (pod: Pod) => Object.keys(steps).map(n => statusOf(pod, n)?.restartCount);
    assert.deepEqual(
      restarts(made),
      Object.keys(steps).map(() => 0),
    );
    const restarting = Object.values(steps).map(
      s =>
        s.after !== undefined &&
        s.restarts?.some(r => (['requests', 'limits'] as const).some(k => s.before[k]?.[r] !== s.after?.[k]?.[r])),
    );
    const takesAway = Object.values(steps).some(s =>
      (['requests', 'limits'] as const).some(k => Object.keys(s.after?.[k] ?? {}).some(r => !s.before[k]?.[r])),
    );
    let last = made;
    for (const [i, wanted] of (takesAway ? [afters] : [afters, befores]).entries()) {
      await write(name, wanted);
      const pod = await c().when(
        name,
        'resized',
        p =>
          Object.entries(wanted).every(([n, r]) => statusOf(p, n)?.ready && isAs(statusOf(p, n)?.resources, r)) &&
          !conditionOf(p, 'PodResizePending') &&
          !conditionOf(p, 'PodResizeInProgress') &&
          p.status?.observedGeneration === p.metadata.generation,
      );
      for (const [n, r] of Object.entries(wanted)) {
        const spec = pod.spec.containers.find(x => x.name === n)?.resources;
        assert.ok(isAs(spec, r), `${name} ${n}: ${JSON.stringify(spec)}`);
        assert.deepEqual(statusOf(pod, n)?.allocatedResources ?? {}, spec?.requests ?? {}, `${name} ${n}`);
      }
      assert.equal(pod.metadata.generation, i + 2);
      assert.equal(pod.status?.qosClass, made.status?.qosClass);
      assert.deepEqual(
        restarts(pod),
        restarting.map(r => (r ? i + 1 : 0)),
      );
      for (const [k, n] of Object.keys(steps).entries())
        if (!restarting[k]) assert.equal(statusOf(pod, n)?.containerID, statusOf(last, n)?.containerID, n);
      await verifyCgroups(name, wanted);
      last = pod;
    }
  };
  const byPatch = async (name: string, wanted: Readonly<Record<string, ResourceRequirements>>): Promise<void> => {
    const containers = Object.entries(wanted).map(([n, resources]) => ({ name: n, resources }));
    await c().patch('pods', `${name}/resize`, { spec: { containers } }, 'strategic');
  };
  const byReplace = async (name: string, wanted: Readonly<Record<string, ResourceRequirements>>): Promise<void> => {
    const pod = await c().get(name);
    const containers = pod.spec.containers.map(x => ({ ...x, resources: wanted[x.name] }));
    await c().ask('PUT', `${c().path('pods', name)}/resize`, { ...pod, spec: { ...pod.spec, containers } });
  };

  for (const [title, name, steps] of [
    [
      '[sig-node] Pod InPlace Resize Container guaranteed pods with multiple containers 3 containers - increase cpu & mem on c1, c2, decrease cpu & mem on c3 - net increase [MinimumKubeletVersion:1.34]',
      'resize-increase',
      {
        c1: { before: guaranteed(20, 32), after: guaranteed(30, 40), restarts: ['cpu', 'memory'] },
        c2: { before: guaranteed(20, 32), after: guaranteed(30, 40), restarts: ['memory'] },
        c3: { before: guaranteed(30, 48), after: guaranteed(20, 40) },
      },
    ],
    [
      '[sig-node] Pod InPlace Resize Container guaranteed pods with multiple containers 3 containers - increase cpu & mem on c1, decrease cpu & mem on c2, c3 - net decrease [MinimumKubeletVersion:1.34]',
      'resize-decrease',
      {
        c1: { before: guaranteed(20, 32), after: guaranteed(30, 40) },
        c2: { before: guaranteed(30, 48), after: guaranteed(20, 40), restarts: ['memory'] },
        c3: { before: guaranteed(30, 48), after: guaranteed(20, 32), restarts: ['cpu', 'memory'] },
      },
    ],
    [
      '[sig-node] Pod InPlace Resize Container guaranteed pods with multiple containers 3 containers - increase: CPU (c1,c3), memory (c2, c3) ; decrease: CPU (c2) [MinimumKubeletVersion:1.34]',
      'resize-mixed',
      {
        c1: { before: guaranteed(20, 32), after: guaranteed(30, 32) },
        c2: { before: guaranteed(20, 32), after: guaranteed(15, 40), restarts: ['memory'] },
        c3: { before: guaranteed(20, 32), after: guaranteed(30, 40), restarts: ['cpu', 'memory'] },
      },
    ],
    [
      '[sig-node] Pod InPlace Resize Container burstable pods - extended 6 containers - various operations performed (including adding limits and requests) [MinimumKubeletVersion:1.34]',
      'resize-six',
      {
        c1: { before: given([20, 32]), after: given([20, 32], [40, 64]) },
        c2: { before: {}, after: given([20, 32]) },
        c3: { before: given([20, 32], [40, 64]), after: given([30, 40], [50, 72]), restarts: ['cpu', 'memory'] },
        c4: { before: given([30, 40], [50, 72]), after: given([20, 32], [40, 64]) },
        c5: { before: given([0, 32], [0, 64]), after: given([20, 32], [40, 64]) },
        c6: { before: given([20, 32]), restarts: ['memory'] },
      },
    ],
    [
      '[sig-node] Pod InPlace Resize Container burstable pods - extended resize with equivalents [MinimumKubeletVersion:1.34]',
      'resize-equivalents',
      // The kernel's least quota and shares stand for both.
      { c1: { before: given([2, 0], [10, 0]), after: given([1, 0], [5, 0]) } },
    ],
  ] as [string, string, Record<string, Step>][])
    test(title, () => roundTrip(name, steps));

  test('[sig-node] Pod InPlace Resize Container resize pod via the replace endpoint [MinimumKubeletVersion:1.34]', () =>
    roundTrip(
      'resize-replace',
      { c1: { before: given([10, 32], [20, 64]), after: given([20, 32], [30, 64]) } },
      byReplace,
    ));

  test('a memory limit below what is used waits until less is used', async () => {
    const command = sh(`head -c 30000000 /dev/zero > /dev/shm/f; touch /tmp/full; ${waiting}`);
    const readinessProbe = { exec: { command: ['test', '-e', '/tmp/full'] }, periodSeconds: 1 };
    const resources = given([10, 64], [500, 64]);
    await c().pod('resize-used', {
      restartPolicy: 'Always',
      containers: [{ name: 'c1', command, readinessProbe, resources }],
    });
    await c().ready('resize-used');
    await byPatch('resize-used', { c1: given([10, 16], [500, 16]) });
    const held = await c().when(
      'resize-used',
      'held up',
      p => conditionOf(p, 'PodResizeInProgress')?.reason === 'Error',
    );
    assert.match(
      conditionOf(held, 'PodResizeInProgress')?.message ?? '',
      /attempting to set container "c1" memory limit \(16777216\) below current usage \(3\d{7}\)/,
    );
    assert.equal(statusOf(held, 'c1')?.resources?.limits?.memory, '64Mi');
    await c().exec('resize-used', 'rm /dev/shm/f');
    const done = await c().when('resize-used', 'resized', p => statusOf(p, 'c1')?.resources?.limits?.memory === '16Mi');
    assert.deepEqual([statusOf(done, 'c1')?.restartCount, conditionOf(done, 'PodResizeInProgress')], [0, undefined]);
  });
}
