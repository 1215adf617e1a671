// How containers begin and end: command, restart policy, last words, logs, images.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { containerOutput } from './output.ts';

/** Entrypoint `echo entry`, command `default`, user 1234. */
export const userImage = 'k8ts.test/user:1';
/** The same with a user by name. */
export const namedUserImage = 'k8ts.test/named-user:1';

export function containerTests(c: () => ClusterAccess): void {
  const output = containerOutput(c);

  // [sig-node] Containers should use the image defaults if command and args are blank [NodeConformance]
  // [sig-node] Containers should be able to override the image's default arguments (container cmd) [NodeConformance]
  // [sig-node] Containers should be able to override the image's default command (container entrypoint) [NodeConformance]
  // [sig-node] Containers should be able to override the image's default command and arguments [NodeConformance]
  test('command and args over the image', async () => {
    const image = { image: userImage };
    const [neither, args, command, both] = await Promise.all([
      output('image-defaults', image),
      output('image-args', { ...image, args: ['override', 'arguments'] }),
      output('image-command', { ...image, command: ['echo', 'mine'] }),
      output('image-both', { ...image, command: ['echo', 'mine'], args: ['too'] }),
    ]);
    assert.deepEqual(
      [neither, args, command, both],
      ['entry default\n', 'entry override arguments\n', 'mine\n', 'mine too\n'],
    );
  });

  test('how containers end under each restart policy', async () => {
    const count = (end: string) => ({
      name: 'main',
      volumeMounts: [{ name: 'state', mountPath: '/state' }],
      command: sh(`echo x >> /state/runs; n=$(wc -l < /state/runs); ${end}`),
    });
    const volumes = [{ name: 'state', emptyDir: {} }];
    await c().pod('ends-always', {
      restartPolicy: 'Always',
      volumes,
      containers: [count(`[ $n -ge 2 ] && { ${waiting}; }; exit 0`)],
    });
    await c().pod('ends-failure', {
      restartPolicy: 'OnFailure',
      volumes,
      containers: [count('[ $n -ge 2 ] && exit 0; exit 1')],
    });
    await c().pod('ends-never', { volumes, containers: [count('exit 3')] });
    const [always, onFailure, never] = await Promise.all([
      c().when(
        'ends-always',
        'ready again',
        p => p.status?.containerStatuses?.[0]?.restartCount === 1 && p.status.containerStatuses[0].ready,
      ),
      c().ended('ends-failure'),
      c().ended('ends-never'),
    ]);
    assert.equal(always.status?.phase, 'Running');
    assert.equal(always.status?.containerStatuses?.[0]?.lastState?.terminated?.reason, 'Completed');
    assert.deepEqual(
      [onFailure.status?.phase, onFailure.status?.containerStatuses?.[0]?.restartCount],
      ['Succeeded', 1],
    );
    assert.equal(onFailure.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 1);
    assert.equal(never.status?.phase, 'Failed');
    const { terminated } = never.status!.containerStatuses![0]!.state!;
    assert.deepEqual([terminated?.exitCode, terminated?.reason], [3, 'Error']);
    assert.ok(terminated?.startedAt && terminated.finishedAt && terminated.containerID);
    assert.equal(conditionOf(never, 'Ready')?.reason, 'PodFailed');
    assert.equal(conditionOf(onFailure, 'ContainersReady')?.reason, 'PodCompleted');
    assert.equal(conditionOf(onFailure, 'Initialized')?.reason, 'PodCompleted');
    await c().when(
      'ends-failure',
      'without its sandbox',
      p => conditionOf(p, 'PodReadyToStartContainers')?.status === 'False',
    );
  });

  // [sig-node] Container Runtime blackbox test on terminated container should report termination message if TerminationMessagePath is set as non-root user and at a non-default path [NodeConformance]
  // [sig-node] Container Runtime blackbox test on terminated container should report termination message from log output if TerminationMessagePolicy FallbackToLogsOnError is set [NodeConformance]
  // [sig-node] Container Runtime blackbox test on terminated container should report termination message from file when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set [NodeConformance]
  // [sig-node] Container Runtime blackbox test on terminated container should report termination message as empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set [NodeConformance]
  test('last words: from the file, from the log, none', async () => {
    const say = (script: string, more: object = {}) => ({ name: 'main', command: sh(script), ...more });
    const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' as const };
    await c().pod('words-path', {
      containers: [
        say('printf DONE > /dev/custom-log', {
          terminationMessagePath: '/dev/custom-log',
          securityContext: { runAsUser: 1000 },
        }),
      ],
    });
    await c().pod('words-log', { containers: [say('echo DONE; exit 1', fallback)] });
    await c().pod('words-file', { containers: [say('printf OK > /dev/termination-log; echo DONE', fallback)] });
    await c().pod('words-none', { containers: [say('echo DONE', fallback)] });
    const of = async (name: string) => {
      const pod = await c().ended(name);
      return [pod.status?.phase, pod.status?.containerStatuses?.[0]?.state?.terminated?.message];
    };
    assert.deepEqual(await Promise.all(['words-path', 'words-log', 'words-file', 'words-none'].map(of)), [
      ['Succeeded', 'DONE'],
      ['Failed', 'DONE\n'],
      ['Succeeded', 'OK'],
      ['Succeeded', undefined],
    ]);
  });

  test('logs: tail, since, timestamps, limits, the container before, init containers, and errors', async () => {
    await c().pod('logs', {
      restartPolicy: 'OnFailure',
      initContainers: [{ name: 'first', command: sh('echo from init') }],
      volumes: [{ name: 'state', emptyDir: {} }],
      containers: [
        {
          name: 'main',
          volumeMounts: [{ name: 'state', mountPath: '/state' }],
          command: sh(
            `if [ ! -e /state/x ]; then touch /state/x; echo before; exit 1; fi; for i in 1 2 3 4 5; do echo line $i; done; sleep 0.1; echo error >&2; ${waiting}`,
          ),
        },
        { name: 'other', command: sh(`echo other; ${waiting}`) },
      ],
    });
    await c().when('logs', 'restarted', p => p.status?.containerStatuses?.[0]?.restartCount === 1);
    const lines = () => c().log('logs', 'main');
    await eventually('lines', async () => (await lines()).endsWith('error\n'));
    assert.equal(await lines(), 'line 1\nline 2\nline 3\nline 4\nline 5\nerror\n');
    assert.equal(await c().log('logs', 'main', '&tailLines=2'), 'line 5\nerror\n');
    assert.equal(await c().log('logs', 'main', '&tailLines=0'), '');
    assert.equal(await c().log('logs', 'main', '&limitBytes=8'), 'line 1\nl');
    assert.equal(await c().log('logs', 'main', '&previous=true'), 'before\n');
    assert.equal(await c().log('logs', 'first'), 'from init\n');
    assert.match(await c().log('logs', 'other', '&timestamps=true'), /^\d{4}-\d\d-\d\dT[\d:.]+Z other\n$/);
    assert.equal(await c().log('logs', 'other', '&sinceTime=2099-01-01T00:00:00Z'), '');
    const path = `${c().path('pods', 'logs')}/log`;
    const unnamed = await c().request('GET', path);
    assert.equal(unnamed.code, 400);
    assert.equal(
      unnamed.body.message,
      'a container name must be specified for pod logs, choose one of: [first main other]',
    );
    assert.match(
      (await c().request('GET', `${path}?container=nobody`)).body.message,
      /container nobody is not valid for pod logs/,
    );
    const none = await c().request('GET', `${path}?container=other&previous=true`);
    assert.equal(none.code, 400);
    assert.match(none.body.message, /previous terminated container "other" in pod "logs" not found/);
  });

  test('images that are not there', async () => {
    await c().pod('image-never', {
      containers: [{ name: 'main', image: 'k8ts.test/absent:1', imagePullPolicy: 'Never' }],
    });
    await c().pod('image-back-off', { containers: [{ name: 'main', image: 'k8ts.invalid/absent:1' }] });
    await c().pod('image-invalid', { containers: [{ name: 'main', image: 'INVALID//x' }] });
    const reason = (name: string, reason: string) =>
      c().when(name, reason, p => p.status?.containerStatuses?.[0]?.state?.waiting?.reason === reason);
    const [never, , invalid] = await Promise.all([
      reason('image-never', 'ErrImageNeverPull'),
      reason('image-back-off', 'ImagePullBackOff'),
      reason('image-invalid', 'InvalidImageName'),
    ]);
    assert.equal(never.status?.phase, 'Pending');
    assert.equal(
      never.status?.containerStatuses?.[0]?.state?.waiting?.message,
      'Container image "k8ts.test/absent:1" is not present with pull policy of Never',
    );
    assert.match(
      invalid.status?.containerStatuses?.[0]?.state?.waiting?.message ?? '',
      /^Failed to apply default image tag "INVALID\/\/x": couldn't parse image name/,
    );
    for (const reason of ['Scheduled', 'Pulling', 'Failed', 'BackOff'])
      await eventually(reason, async () => (await c().events('image-back-off')).some(e => e.reason === reason));
    // Another image is tried at once.
    const containers = [{ name: 'main', image: c().image }];
    await c().patch('pods', 'image-back-off', { spec: { containers } }, 'strategic');
    await c().ended('image-back-off', 8000);
    // Still to be deleted.
    await c().delete('pods', 'image-never');
    await c().gone('image-never', 10_000);
  });
}
