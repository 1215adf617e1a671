// A pod's life: init containers and sidecars, hooks, probes, deadlines, conditions, resizing, ephemeral containers, the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/api/type/core-v1.ts';
import { type ClusterAccess, conditionOf, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
const initOf = (pod: Pod, n = 0) => pod.status?.initContainerStatuses?.[n];
/** Answers GET /… from a directory, on 8080. */
const web = (files: string) => sh(`mkdir -p /www/cgi-bin; cd /www; ${files}; httpd -f -p 8080 -h /www & ${waiting}`);
const volumes = [{ name: 'state', emptyDir: {} }];
const volumeMounts = [{ name: 'state', mountPath: '/state' }];

export function lifecycleTests(c: () => ClusterAccess): void {
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

  test('hooks: exec, http, sleep; after the start and before the end', async () => {
    // Notes what it is asked.
    await c().pod('hook-server', {
      containers: [
        {
          name: 'main',
          command: web(
            `printf '#!/bin/sh\\necho "$QUERY_STRING $HTTP_X_HOOK" >> /asked\\necho; echo ok\\n' > cgi-bin/note; chmod +x cgi-bin/note; touch /asked`,
          ),
        },
      ],
    });
    const { podIP } = (await c().ready('hook-server')).status!;
    const http = (what: string) => ({
      httpGet: {
        host: podIP!,
        port: 8080,
        path: `/cgi-bin/note?${what}`,
        httpHeaders: [{ name: 'X-Hook', value: 'yes' }],
      },
    });
    await eventually('the server', async () =>
      c().exec('hook-server', 'wget -qO- http://127.0.0.1:8080/cgi-bin/note?self'),
    );
    const main = { name: 'main', command: sh(waiting) };
    await c().pod('hook-http', {
      containers: [{ ...main, lifecycle: { postStart: http('post-start'), preStop: http('pre-stop') } }],
      terminationGracePeriodSeconds: 10,
    });
    const note = (what: string) => ({ exec: { command: sh(`wget -qO- 'http://${podIP}:8080/cgi-bin/note?${what}'`) } });
    await c().pod('hook-exec', {
      containers: [{ ...main, lifecycle: { postStart: note('exec-start'), preStop: note('exec-stop') } }],
      terminationGracePeriodSeconds: 10,
    });
    await c().pod('hook-sleep', {
      containers: [
        { ...main, lifecycle: { postStart: { sleep: { seconds: 1 } }, preStop: { sleep: { seconds: 1 } } } },
      ],
      terminationGracePeriodSeconds: 10,
    });
    await c().pod('hook-fails', {
      restartPolicy: 'Always',
      containers: [{ ...main, lifecycle: { postStart: { exec: { command: ['false'] } } } }],
    });
    const asked = () => c().exec('hook-server', 'cat /asked');
    await Promise.all(['hook-http', 'hook-exec', 'hook-sleep'].map(n => c().ready(n)));
    assert.match(await asked(), /^post-start yes$/m);
    assert.match(await asked(), /^exec-start $/m);
    const began = performance.now();
    await Promise.all(['hook-http', 'hook-exec', 'hook-sleep'].map(n => c().delete('pods', n)));
    await Promise.all(['hook-http', 'hook-exec', 'hook-sleep'].map(n => c().gone(n)));
    assert.ok(performance.now() - began > 1000, 'preStop slept');
    assert.match(await asked(), /^pre-stop yes$/m);
    assert.match(await asked(), /^exec-stop $/m);
    await eventually('FailedPostStartHook', async () =>
      (await c().events('hook-fails')).some(e => e.reason === 'FailedPostStartHook'),
    );
    await c().when('hook-fails', 'restarted', p => (first(p)?.restartCount ?? 0) > 0);
  });

  test('liveness: exec, http and tcp that fail restart the container, those that do not leave it alone', async () => {
    const quick = { periodSeconds: 1, failureThreshold: 1 };
    const live = (name: string, command: string[], probe: object) =>
      c().pod(name, {
        restartPolicy: 'Always',
        containers: [{ name: 'main', command, livenessProbe: { ...quick, ...probe } }],
      });
    const exec = { exec: { command: ['cat', '/tmp/health'] } };
    const get = { httpGet: { path: '/healthz', port: 8080 } };
    await Promise.all([
      live('live-exec', sh(`touch /tmp/health; ${waiting}`), exec),
      live('live-http', web('touch healthz'), { ...get, initialDelaySeconds: 1 }),
      live('live-tcp', web('true'), { tcpSocket: { port: 8080 }, initialDelaySeconds: 1 }),
      live('dead-exec', sh(`touch /tmp/health; sleep 1; rm /tmp/health; ${waiting}`), exec),
      live('dead-http', web('true'), { ...get, initialDelaySeconds: 1 }),
      live('dead-tcp', sh(waiting), { tcpSocket: { port: 8080 } }),
      c().pod('dead-stubborn', {
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 300,
        containers: [
          {
            name: 'main',
            command: sh('trap : TERM; while :; do sleep 0.2; done'),
            livenessProbe: { ...quick, exec: { command: ['false'] }, terminationGracePeriodSeconds: 1 },
          },
        ],
      }),
    ]);
    const restarted = ['dead-exec', 'dead-http', 'dead-tcp', 'dead-stubborn'];
    const dead = await Promise.all(
      restarted.map(n => c().when(n, 'restarted', p => (first(p)?.restartCount ?? 0) >= 1)),
    );
    assert.equal(first(dead[3]!)?.lastState?.terminated?.exitCode, 137);
    const events = await c().events('dead-http');
    assert.ok(
      events.some(
        e => e.reason === 'Unhealthy' && e.message === 'Liveness probe failed: HTTP probe failed with statuscode: 404',
      ),
      JSON.stringify(events.map(e => e.message)),
    );
    assert.ok(
      events.some(
        e => e.reason === 'Killing' && e.message === 'Container main failed liveness probe, will be restarted',
      ),
    );
    await c().when('dead-exec', 'restarted twice', p => (first(p)?.restartCount ?? 0) >= 2);
    for (const name of ['live-exec', 'live-http', 'live-tcp'])
      assert.equal(first(await c().get(name))?.restartCount, 0, name);
    await c().delete('pods', 'dead-stubborn', { gracePeriodSeconds: 0 });
  });

  test('readiness and startup probes, readiness gates', async () => {
    const ready = (name: string, probe: object, more: object = {}) =>
      c().pod(name, {
        containers: [{ name: 'main', command: sh(waiting), readinessProbe: { periodSeconds: 1, ...probe }, ...more }],
      });
    await ready('ready-late', { exec: { command: ['true'] }, initialDelaySeconds: 3 });
    await ready('ready-never', { exec: { command: ['false'] } });
    await ready(
      'ready-startup',
      { exec: { command: ['true'] } },
      { startupProbe: { exec: { command: ['test', '-e', '/tmp/started'] }, periodSeconds: 1, failureThreshold: 60 } },
    );
    await c().pod('ready-gate', {
      readinessGates: [{ conditionType: 'example.com/gate' }],
      containers: [{ name: 'main', command: sh(waiting) }],
    });
    const late = await c().ready('ready-late');
    const startedAt = Date.parse(first(late)?.state?.running?.startedAt ?? '');
    assert.ok(Date.parse(conditionOf(late, 'Ready')?.lastTransitionTime ?? '') - startedAt >= 2000);
    const gated = await c().when(
      'ready-gate',
      'without its gate',
      p => conditionOf(p, 'ContainersReady')?.status === 'True',
    );
    assert.deepEqual(
      [conditionOf(gated, 'Ready')?.status, conditionOf(gated, 'Ready')?.reason, conditionOf(gated, 'Ready')?.message],
      [
        'False',
        'ReadinessGatesNotReady',
        'corresponding condition of pod readiness gate "example.com/gate" does not exist.',
      ],
    );
    await c().ask(
      'PATCH',
      `${c().path('pods', 'ready-gate')}/status`,
      { status: { conditions: [{ type: 'example.com/gate', status: 'True' }] } },
      'application/strategic-merge-patch+json',
    );
    await c().ready('ready-gate');
    const starting = await c().when('ready-startup', 'running', p => first(p)?.state?.running);
    assert.deepEqual([first(starting)?.started, first(starting)?.ready], [false, false]);
    await c().exec('ready-startup', 'touch /tmp/started');
    assert.equal(first(await c().ready('ready-startup'))?.started, true);
    const never = await c().get('ready-never');
    assert.deepEqual(
      [first(never)?.ready, first(never)?.restartCount, conditionOf(never, 'Ready')?.status],
      [false, 0, 'False'],
    );
    assert.equal(conditionOf(never, 'Ready')?.message, 'containers with unready status: [main]');
  });

  // [sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance]
  test('activeDeadlineSeconds, also when it is set later', async () => {
    await c().pod('deadline', { restartPolicy: 'Always', containers: [{ name: 'main', command: sh(waiting) }] });
    await c().ready('deadline');
    await c().patch('pods', 'deadline', { spec: { activeDeadlineSeconds: 2 } });
    const pod = await c().ended('deadline', 20_000);
    assert.deepEqual(
      [pod.status?.phase, pod.status?.reason, pod.status?.message],
      ['Failed', 'DeadlineExceeded', 'Pod was active on the node longer than the specified deadline'],
    );
    assert.equal(first(pod)?.state?.terminated?.exitCode, 0);
  });

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

  test('deleted gracefully: the grace of the pod, of the request, none; events tell the story', async () => {
    const stubborn = { name: 'main', command: sh('trap : TERM; while :; do sleep 0.2; done') };
    await c().pod('grace', { restartPolicy: 'Always', terminationGracePeriodSeconds: 2, containers: [stubborn] });
    await c().pod('grace-shorter', {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 600,
      containers: [stubborn],
    });
    await c().pod('grace-none', {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 600,
      containers: [stubborn],
    });
    await Promise.all(['grace', 'grace-shorter', 'grace-none'].map(n => c().ready(n)));
    const began = performance.now();
    await c().delete('pods', 'grace');
    const deleted = await c().get('grace');
    assert.equal(deleted.metadata.deletionGracePeriodSeconds, 2);
    await c().delete('pods', 'grace-shorter');
    await c().delete('pods', 'grace-shorter', { gracePeriodSeconds: 1 });
    await c().delete('pods', 'grace-none', { gracePeriodSeconds: 0 });
    assert.equal((await c().request('GET', c().path('pods', 'grace-none'))).code, 404);
    await c().gone('grace');
    assert.ok(performance.now() - began > 1900, 'the grace period passed');
    await c().gone('grace-shorter', 15_000);
    const reasons = (await c().events('grace')).map(e => `${e.type} ${e.reason}: ${e.message}`);
    for (const text of [
      'Normal Created: Container created',
      'Normal Started: Container started',
      'Normal Killing: Stopping container main',
    ])
      assert.ok(reasons.includes(text), `${text} in ${reasons.join('\n')}`);
  });
}
