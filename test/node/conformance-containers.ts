// The official suite's tests of containers, done as it does them: statuses, init and ephemeral containers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
const idle = { name: 'main', command: sh(waiting) };
const limits = { limits: { cpu: '100m' } };

export function conformanceContainers(c: () => ClusterAccess): void {
  test('[sig-node] Container Runtime blackbox test when starting a container that exits should run with the expected status [NodeConformance]', async () => {
    const script = `echo hello >> /restart-count/f; n=$(wc -l < /restart-count/f); [ $n -eq 1 ] && exit 1; [ $n -eq 2 ] && exit 0; ${waiting}`;
    const run = (name: string, restartPolicy: 'Always' | 'OnFailure' | 'Never') =>
      c().pod(name, {
        restartPolicy,
        volumes: [{ name: 'restart-count', emptyDir: { medium: 'Memory' } }],
        containers: [
          { name: 'main', command: sh(script), volumeMounts: [{ name: 'restart-count', mountPath: '/restart-count' }] },
        ],
      });
    await Promise.all([
      run('status-always', 'Always'),
      run('status-on-failure', 'OnFailure'),
      run('status-never', 'Never'),
    ]);
    for (const [name, phase, state, count, ready] of [
      ['status-on-failure', 'Succeeded', 'terminated', 1, false],
      ['status-never', 'Failed', 'terminated', 0, false],
      ['status-always', 'Running', 'running', 2, true],
    ] as const) {
      const pod = await c().when(
        name,
        phase,
        p => p.status?.phase === phase && first(p)?.restartCount === count && first(p)?.state?.[state],
      );
      assert.deepEqual([first(pod)?.ready, Object.keys(first(pod)?.state ?? {})], [ready, [state]], name);
    }
  });

  test('[sig-node] Kubelet when scheduling a busybox command in a pod should print the output to logs [NodeConformance]', async () => {
    await c().pod('hello', { containers: [{ name: 'main', command: sh(`echo 'Hello World' ; ${waiting}`) }] });
    await c().ready('hello');
    await eventually('the words', async () => (await c().log('hello')) === 'Hello World\n');
  });

  const alwaysFails = { name: 'main', command: ['false'] };

  test('[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should have an terminated reason [NodeConformance]', async () => {
    await c().pod('fails-reason', { containers: [alwaysFails] });
    const pod = await c().when('fails-reason', 'terminated', p => first(p)?.state?.terminated);
    const { exitCode, reason } = first(pod)!.state!.terminated!;
    assert.deepEqual([exitCode, reason], [1, 'Error']);
  });

  test('[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should be possible to delete [NodeConformance]', async () => {
    await c().pod('fails-deleted', { restartPolicy: 'Always', containers: [alwaysFails] });
    await c().when('fails-deleted', 'in back-off', p => first(p)?.state?.waiting?.reason === 'CrashLoopBackOff');
    await c().delete('pods', 'fails-deleted');
    await c().gone('fails-deleted');
  });

  // ---- init containers ----

  const step = (name: string, command: string) => ({ name, command: [command] });

  test('[sig-node] InitContainer [NodeConformance] should invoke init containers on a RestartNever pod', async () => {
    const initContainers = [step('init1', 'true'), step('init2', 'true')];
    await c().pod('init-never-all', { initContainers, containers: [{ ...step('run1', 'true'), resources: limits }] });
    const pod = await c().ended('init-never-all');
    assert.deepEqual([pod.status?.phase, conditionOf(pod, 'Initialized')?.status], ['Succeeded', 'True']);
    const statuses = pod.status!.initContainerStatuses!;
    assert.deepEqual(
      statuses.map(s => [s.name, s.ready, s.state?.terminated?.exitCode]),
      [
        ['init1', true, 0],
        ['init2', true, 0],
      ],
    );
  });

  test('[sig-node] InitContainer [NodeConformance] should invoke init containers on a RestartAlways pod', async () => {
    const initContainers = [step('init1', 'true'), step('init2', 'true')];
    const containers = [{ ...idle, resources: limits }];
    await c().pod('init-always-all', { restartPolicy: 'Always', initContainers, containers });
    const pod = await c().when('init-always-all', 'running', p => p.status?.phase === 'Running');
    assert.equal(conditionOf(pod, 'Initialized')?.status, 'True');
    const statuses = pod.status!.initContainerStatuses!;
    assert.deepEqual(
      statuses.map(s => [s.ready, s.state?.terminated?.exitCode]),
      [
        [true, 0],
        [true, 0],
      ],
    );
  });

  /** Every state the pod was seen in until the look is true of one. */
  const storyOf = async (name: string, spec: object, look: (pod: Pod) => unknown): Promise<Pod[]> => {
    const watch = c().watch<Pod>(`${c().path('pods')}?watch=true&fieldSelector=metadata.name%3D${name}`);
    try {
      await c().pod(name, spec);
      await watch.next(e => !!look(e.object));
      return watch.seen.map(e => e.object);
    } finally {
      watch.stop();
    }
  };
  const notInitialized = (pod: Pod, names: string) => {
    const { status, reason, message } = conditionOf(pod, 'Initialized')!;
    const wanted = ['False', 'ContainersNotInitialized', `containers with incomplete status: [${names}]`];
    assert.deepEqual([status, reason, message], wanted);
  };
  const onlyWaits = (pod: Pod, list: 'containerStatuses' | 'initContainerStatuses', i: number) => {
    const status = pod.status?.[list]?.[i];
    if (status) assert.deepEqual([status.state?.waiting?.reason, status.restartCount], ['PodInitializing', 0]);
  };

  test('[sig-node] InitContainer [NodeConformance] should not start app containers if init containers fail on a RestartAlways pod', async () => {
    const initContainers = [step('init1', 'false'), step('init2', 'true')];
    const spec = { restartPolicy: 'Always', initContainers, containers: [{ ...idle, resources: limits }] };
    // The official test waits for a third restart, which back-off makes half a minute later still.
    const story = await storyOf(
      'init-always-fails',
      spec,
      p => (p.status?.initContainerStatuses?.[0]?.restartCount ?? 0) >= 2,
    );
    for (const pod of story) {
      onlyWaits(pod, 'containerStatuses', 0);
      onlyWaits(pod, 'initContainerStatuses', 1);
    }
    const last = story.at(-1)!;
    assert.equal(last.status?.phase, 'Pending');
    assert.equal(last.status?.initContainerStatuses?.length, 2);
    notInitialized(last, 'init1 init2');
    const failed = story.findLast(p => p.status?.initContainerStatuses?.[0]?.lastState?.terminated);
    assert.equal(failed?.status?.initContainerStatuses?.[0]?.lastState?.terminated?.exitCode, 1);
  });

  test('[sig-node] InitContainer [NodeConformance] should not start app containers and fail the pod if init containers fail on a RestartNever pod', async () => {
    const initContainers = [step('init1', 'true'), step('init2', 'false')];
    const spec = { initContainers, containers: [{ ...step('run1', 'true'), resources: limits }] };
    const story = await storyOf('init-never-fails', spec, p => p.status?.phase === 'Failed');
    for (const pod of story) onlyWaits(pod, 'containerStatuses', 0);
    const last = story.at(-1)!;
    notInitialized(last, 'init2');
    const statuses = last.status!.initContainerStatuses!;
    assert.deepEqual(
      statuses.map(s => s.state?.terminated?.exitCode),
      [0, 1],
    );
    assert.ok(first(last)?.state?.waiting);
  });

  // ---- ephemeral containers ----

  const debug = (name: string) => ({
    name,
    image: c().image,
    imagePullPolicy: 'IfNotPresent',
    command: sh('while true; do echo polo; sleep 0.5; done'),
    stdin: true,
    tty: true,
  });
  const running = (name: string, count: number) =>
    c().when(name, 'with ephemeral containers', p => {
      const list = p.status?.ephemeralContainerStatuses ?? [];
      return list.length === count && list.every(s => s.state?.running);
    });

  test('[sig-node] Ephemeral Containers [NodeConformance] will start an ephemeral container in an existing pod', async () => {
    await c().pod('debugged-one', { restartPolicy: 'Always', containers: [idle] });
    await c().ready('debugged-one');
    await c().patch(
      'pods',
      'debugged-one/ephemeralcontainers',
      { spec: { ephemeralContainers: [debug('debugger')] } },
      'strategic',
    );
    await running('debugged-one', 1);
    assert.equal(await c().exec('debugged-one', 'echo marco', 'debugger'), 'marco\n');
    await eventually('its log', async () => (await c().log('debugged-one', 'debugger')).includes('polo'));
  });

  test('[sig-node] Ephemeral Containers [NodeConformance] should update the ephemeral containers in an existing pod', async () => {
    await c().pod('debugged-two', { restartPolicy: 'Always', containers: [idle] });
    await c().ready('debugged-two');
    const path = `${c().path('pods', 'debugged-two')}/ephemeralcontainers`;
    await c().patch(
      'pods',
      'debugged-two/ephemeralcontainers',
      { spec: { ephemeralContainers: [debug('debugger1')] } },
      'strategic',
    );
    await running('debugged-two', 1);
    await eventually('the update', async () => {
      const read = await c().ask<Pod>('GET', path);
      const ephemeralContainers = [...read.spec.ephemeralContainers!, debug('debugger2')];
      return c().ask<Pod>('PUT', path, { ...read, spec: { ...read.spec, ephemeralContainers } });
    });
    await running('debugged-two', 2);
    const names = (await c().ask<Pod>('GET', path)).spec.ephemeralContainers!.map(e => e.name);
    assert.deepEqual(names, ['debugger1', 'debugger2']);
  });
}
