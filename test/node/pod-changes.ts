// What changes in a pod that runs: its resources, its ephemeral containers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

export function podChangeTests(c: () => ClusterAccess): void {
  test('resize in place: limits of the running container, status, conditions', async () => {
    const resources = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
    await c().pod('resize', {
      restartPolicy: 'Always',
      containers: [
        { name: 'main', command: sh(waiting), resources: resources('100m', '64Mi') },
        {
          name: 'again',
          command: sh(waiting),
          resources: resources('100m', '64Mi'),
          resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
        },
      ] as never,
    });
    const before = await c().ready('resize');
    assert.equal(before.status?.qosClass, 'Guaranteed');
    const limits = (container: string) =>
      c().exec(
        'resize',
        'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max',
        container,
      );
    assert.match(await limits('main'), /^10000\D/);
    const resize = (main: object, again: object) =>
      c().ask(
        'PATCH',
        `${c().path('pods', 'resize')}/resize`,
        {
          spec: {
            containers: [
              { name: 'main', resources: main },
              { name: 'again', resources: again },
            ],
          },
        },
        'application/strategic-merge-patch+json',
      );
    await resize(resources('200m', '96Mi'), resources('150m', '80Mi'));
    const status = (p: Pod, name: string) => p.status?.containerStatuses?.find(s => s.name === name);
    const after = await c().when(
      'resize',
      'resized',
      p =>
        status(p, 'main')?.resources?.limits?.cpu === '200m' &&
        status(p, 'again')?.resources?.limits?.memory === '80Mi' &&
        status(p, 'again')?.ready &&
        !conditionOf(p, 'PodResizeInProgress'),
    );
    assert.equal(status(after, 'main')?.restartCount, 0);
    assert.equal(status(after, 'again')?.restartCount, 1);
    assert.deepEqual(status(after, 'main')?.allocatedResources, { cpu: '200m', memory: '96Mi' });
    assert.match(await limits('main'), new RegExp(`^20000\\D[sS]*${96 * 2 ** 20}`));
    assert.match(await limits('again'), new RegExp(`^15000\\D[sS]*${80 * 2 ** 20}`));
    assert.equal(after.status?.observedGeneration, after.metadata.generation);
    // More than the node has: it waits and says why.
    await resize(resources('1000', '96Mi'), resources('150m', '80Mi'));
    const pending = await c().when('resize', 'pending', p => conditionOf(p, 'PodResizePending'));
    assert.equal(conditionOf(pending, 'PodResizePending')?.reason, 'Infeasible');
    assert.equal(status(pending, 'main')?.resources?.limits?.cpu, '200m');
    assert.deepEqual(status(pending, 'main')?.allocatedResources, { cpu: '200m', memory: '96Mi' });
    await resize(resources('100m', '96Mi'), resources('150m', '80Mi'));
    await c().when(
      'resize',
      'back',
      p => !conditionOf(p, 'PodResizePending') && status(p, 'main')?.resources?.limits?.cpu === '100m',
    );
  });

  test('ephemeral containers: added, attached, beside a target', async () => {
    await c().pod('debugged', {
      restartPolicy: 'Always',
      containers: [{ name: 'main', command: sh(`exec sleep 1000000`) }],
    });
    await c().ready('debugged');
    const add = (container: object) =>
      c().ask(
        'PATCH',
        `${c().path('pods', 'debugged')}/ephemeralcontainers`,
        { spec: { ephemeralContainers: [container] } },
        'application/strategic-merge-patch+json',
      );
    await add({
      name: 'debugger',
      image: c().image,
      command: sh(`echo debugging; ps; ${waiting}`),
      targetContainerName: 'main',
      stdin: true,
      tty: true,
    });
    const pod = await c().when(
      'debugged',
      'with a debugger',
      p => p.status?.ephemeralContainerStatuses?.[0]?.state?.running,
    );
    assert.equal(pod.status?.phase, 'Running');
    await eventually('its log', async () =>
      /debugging[\s\S]*sleep 1000000/.test(await c().log('debugged', 'debugger')),
    );
    await add({ name: 'second', image: c().image, command: ['true'] });
    const done = await c().when(
      'debugged',
      'with another',
      p => p.status?.ephemeralContainerStatuses?.find(s => s.name === 'second')?.state?.terminated,
    );
    assert.equal(done.status?.ephemeralContainerStatuses?.length, 2);
    assert.equal(conditionOf(done, 'Ready')?.status, 'True');
  });
}
