// Init containers and sidecars.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
const initOf = (pod: Pod, n = 0) => pod.status?.initContainerStatuses?.[n];
const volumes = [{ name: 'state', emptyDir: {} }];
const volumeMounts = [{ name: 'state', mountPath: '/state' }];

export function initContainerTests(c: () => ClusterAccess): void {
  test('init containers: one after the other, before the others, once', async () => {
    const step = (name: string) => ({ name, volumeMounts, command: sh(`echo ${name} >> /state/log`) });
    const pod = { volumes, initContainers: [step('init1'), step('init2')] };
    await c().pod('init-never', {
      ...pod,
      containers: [{ name: 'main', volumeMounts, command: sh('cat /state/log') }],
    });
    await c().pod('init-always', {
      ...pod,
      restartPolicy: 'Always',
      containers: [{ name: 'main', command: sh(waiting) }],
    });
    const done = await c().ended('init-never');
    assert.equal(await c().log('init-never'), 'init1\ninit2\n');
    assert.equal(done.status?.phase, 'Succeeded');
    const always = await c().ready('init-always');
    assert.equal(conditionOf(always, 'Initialized')?.status, 'True');
    for (const s of always.status!.initContainerStatuses!)
      assert.deepEqual([s.ready, s.state?.terminated?.exitCode, s.restartCount], [true, 0, 0]);
  });

  test('init containers that fail: again with back-off, or for good', async () => {
    const spec = {
      initContainers: [
        { name: 'init1', command: ['false'] },
        { name: 'init2', command: ['true'] },
      ],
      containers: [{ name: 'run1', command: sh(waiting) }],
    };
    await c().pod('init-fails', { ...spec, restartPolicy: 'Always' });
    await c().pod('init-fails-never', spec);
    await c().ended('init-fails-never');
    const never = await c().when(
      'init-fails-never',
      'put away',
      p => conditionOf(p, 'PodReadyToStartContainers')?.status === 'False',
    );
    assert.equal(never.status?.phase, 'Failed');
    assert.equal(conditionOf(never, 'Initialized')?.message, 'containers with incomplete status: [init1 init2]');
    assert.equal(conditionOf(never, 'Initialized')?.reason, 'ContainersNotInitialized');
    assert.equal(initOf(never)?.state?.terminated?.exitCode, 1);
    assert.equal(initOf(never, 1)?.state?.waiting?.reason, 'PodInitializing');
    assert.equal(first(never)?.state?.waiting?.reason, 'PodInitializing');
    const again = await c().when(
      'init-fails',
      'in back-off',
      p => initOf(p)?.state?.waiting?.reason === 'CrashLoopBackOff',
    );
    assert.equal(again.status?.phase, 'Pending');
    assert.match(
      initOf(again)?.state?.waiting?.message ?? '',
      /^back-off 10s restarting failed container=init1 pod=init-fails_/,
    );
    assert.equal(initOf(again)?.lastState?.terminated?.exitCode, 1);
    assert.equal(first(again)?.started, false);
  });

  test('sidecars: start in order and before the rest, restart, end last and in reverse', async () => {
    const sidecar = (name: string) => ({
      name,
      restartPolicy: 'Always',
      volumeMounts,
      command: sh(
        `echo ${name} >> /state/log; trap 'echo end ${name} >> /state/log; exit 0' TERM; while :; do sleep 0.1; done`,
      ),
      startupProbe: { exec: { command: sh('sleep 0.3') }, periodSeconds: 1 },
    });
    await c().pod('sidecars', {
      volumes: [{ name: 'state', hostPath: { path: `${c().lab.home}/sidecars`, type: 'DirectoryOrCreate' } }],
      terminationGracePeriodSeconds: 20,
      initContainers: [
        sidecar('one'),
        { name: 'step', volumeMounts, command: sh('echo step >> /state/log') },
        sidecar('two'),
      ] as never,
      containers: [
        {
          name: 'main',
          volumeMounts,
          command: sh(
            `echo main >> /state/log; trap 'echo end main >> /state/log; exit 0' TERM; while :; do sleep 0.1; done`,
          ),
        },
      ],
    });
    const pod = await c().ready('sidecars');
    assert.deepEqual(
      pod.status?.initContainerStatuses?.map(s => [s.name, s.ready, s.started]),
      [
        ['one', true, true],
        ['step', true, false],
        ['two', true, true],
      ],
    );
    assert.equal(await c().exec('sidecars', 'cat /state/log', 'main'), 'one\nstep\ntwo\nmain\n');
    await c().delete('pods', 'sidecars');
    await c().gone('sidecars');
    await c().pod('reader', {
      nodeName: pod.spec.nodeName!,
      volumes: [{ name: 'state', hostPath: { path: `${c().lab.home}/sidecars` } }],
      containers: [{ name: 'main', volumeMounts, command: sh('tail -n +5 /state/log') }],
    });
    await c().ended('reader');
    assert.equal(await c().log('reader'), 'end main\nend two\nend one\n');
    // A pod whose main container is done ends its sidecars and succeeds.
    await c().pod('sidecar-job', {
      volumes,
      initContainers: [{ ...sidecar('side'), startupProbe: undefined }] as never,
      containers: [{ name: 'main', command: sh('sleep 0.3') }],
    });
    assert.equal((await c().ended('sidecar-job')).status?.phase, 'Succeeded');
  });
}
