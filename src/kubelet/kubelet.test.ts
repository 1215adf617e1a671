import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { startTestNode } from './test-node.ts';

const container = { name: 'app', image: 'example.com/app:1' };

test('runs a pod and ends it gracefully', async () => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'web' }, spec: { containers: [container] } });
    const pod = await t.getPod('web');
    assert.equal(pod.status?.phase, 'Running');
    assert.match(pod.status?.podIP ?? '', /^10\.88\./);
    assert.deepEqual(
      pod.status?.conditions?.map(c => `${c.type}=${c.status}`),
      ['PodReadyToStartContainers=True', 'Initialized=True', 'Ready=True', 'ContainersReady=True', 'PodScheduled=True'],
    );
    assert.match(pod.status?.containerStatuses?.[0]?.containerID ?? '', /^simulated:\/\//);
    assert.deepEqual(await t.events('web'), [
      'Pulling: Pulling image "example.com/app:1"',
      'Pulled: Successfully pulled image "example.com/app:1" in 0s (0s including waiting). Image size: 1048576 bytes.',
      'Created: Container created',
      'Started: Container started',
    ]);
    await t.deletePod('web');
    await t.pass(1000);
    assert.equal(await t.podExists('web'), false);
    assert.deepEqual((await t.runtime.ListPodSandbox({})).items, []);
    assert.ok((await t.events('web')).includes('Killing: Stopping container app'));
    assert.deepEqual(await t.host.list('/var/lib/kubelet/pods'), []);
  } finally {
    await t.stop();
  }
});

test('a pod that starts at once is told in one write, one that does not shows what it waits for', async () => {
  const t = await startTestNode();
  try {
    const told: string[] = [];
    t.client.watch(coreV1.pods, {}, { onEvent: (_, pod) => void told.push(describe(pod)), onClose() {} });
    await t.createPod({ metadata: { name: 'web' }, spec: { containers: [container] } });
    assert.deepEqual(told.splice(0), ['Pending', 'Running, ready']);
    const env = [{ configMapRef: { name: 'missing' } }];
    await t.createPod({ metadata: { name: 'late' }, spec: { containers: [{ ...container, envFrom: env }] } });
    assert.deepEqual(told.splice(0), ['Pending', 'Pending: CreateContainerConfigError']);
    await t.client.create(coreV1.configmaps, { metadata: { name: 'missing', namespace: 'default' }, data: {} });
    await t.pass(20_000);
    assert.deepEqual(told, ['Running, ready']);
  } finally {
    await t.stop();
  }
});

const describe = ({ status }: Pod): string => {
  const [container] = status?.containerStatuses ?? [];
  const reason = container?.state?.waiting?.reason;
  return `${status?.phase}${reason ? `: ${reason}` : ''}${container?.ready ? ', ready' : ''}`;
};

test('what was counted of the probes of a pod goes with it', async () => {
  const t = await startTestNode();
  try {
    const probe = { exec: { command: ['true'] }, periodSeconds: 1 };
    const probed = { ...container, readinessProbe: probe, livenessProbe: probe };
    for (const name of ['gone', 'stays']) await t.createPod({ metadata: { name }, spec: { containers: [probed] } });
    await t.pass(5000);
    const series = async (name: string) =>
      (await t.kubelet.metrics.probes.text()).split('\n').filter(line => line.includes(`pod="${name}"`)).length;
    const [gone, stays] = [await series('gone'), await series('stays')];
    assert.ok(gone > 20, String(gone));
    await t.deletePod('gone');
    await t.pass(5000);
    assert.deepEqual([await t.podExists('gone'), await series('gone'), await series('stays')], [false, 0, stays]);
  } finally {
    await t.stop();
  }
});

test('with a dead container go what was rotated of its log and the link to it', async () => {
  const containerLogsDirectory = '/var/log/containers';
  const t = await startTestNode({
    containerLogsDirectory,
    simulate: { behaviour: () => ({ exitAfterMs: 1000, exitCode: 3 }) },
  });
  try {
    await t.createPod({ metadata: { name: 'crash' }, spec: { containers: [container] } });
    const [first] = (await t.runtime.ListContainers({})).containers ?? [];
    const { status } = await t.runtime.ContainerStatus({ container_id: first?.id ?? '' });
    const log = status?.log_path ?? '';
    const directory = dirname(log);
    await t.host.makeDirectory(directory);
    for (const name of [
      '0.log',
      '0.log.20300101-000000.gz',
      '0.log.20300101-001000',
      '10.log',
      '10.log.20300101-000000',
    ])
      await t.host.writeFile(join(directory, name), 'words\n');
    assert.equal(log, join(directory, '0.log'));
    await t.pass(60_000);
    assert.deepEqual(await t.host.list(directory), ['10.log', '10.log.20300101-000000']);
    const kept = ((await t.runtime.ListContainers({})).containers ?? []).map(c => `crash_default_app-${c.id}.log`);
    assert.deepEqual(await t.host.list(containerLogsDirectory), kept.sort());
  } finally {
    await t.stop();
  }
});

test('restarts a crashing container with growing back-off', async () => {
  const t = await startTestNode({ simulate: { behaviour: () => ({ exitAfterMs: 1000, exitCode: 3 }) } });
  try {
    await t.createPod({ metadata: { name: 'crash' }, spec: { containers: [container] } });
    await t.pass(1500);
    // The first restart is at once, the next one after ten seconds.
    assert.equal((await t.getPod('crash')).status?.containerStatuses?.[0]?.restartCount, 1);
    await t.pass(1500);
    const status = (await t.getPod('crash')).status?.containerStatuses?.[0];
    assert.equal(status?.state?.waiting?.reason, 'CrashLoopBackOff');
    const uid = (await t.getPod('crash')).metadata.uid;
    assert.equal(
      status?.state?.waiting?.message,
      `back-off 10s restarting failed container=app pod=crash_default(${uid})`,
    );
    assert.equal(status?.lastState?.terminated?.exitCode, 3);
    assert.equal(status?.lastState?.terminated?.reason, 'Error');
    await t.pass(11_000);
    assert.equal((await t.getPod('crash')).status?.containerStatuses?.[0]?.restartCount, 2);
    await t.pass(600_000);
    const late = (await t.getPod('crash')).status?.containerStatuses?.[0];
    assert.ok((late?.restartCount ?? 0) >= 6 && (late?.restartCount ?? 0) <= 9, String(late?.restartCount));
    assert.match(late?.state?.waiting?.message ?? '', /^back-off 5m0s /);
    // One dead container is kept, not all.
    const containers = (await t.runtime.ListContainers({})).containers ?? [];
    assert.ok(containers.length <= 2, String(containers.length));
  } finally {
    await t.stop();
  }
});

test('a Job-like pod completes and stays for its logs', async () => {
  const t = await startTestNode({ simulate: { behaviour: () => ({ exitAfterMs: 1000 }) } });
  try {
    await t.createPod({ metadata: { name: 'once' }, spec: { restartPolicy: 'Never', containers: [container] } });
    await t.pass(2000);
    const pod = await t.getPod('once');
    assert.equal(pod.status?.phase, 'Succeeded');
    assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'Completed');
    assert.equal(pod.status?.conditions?.find(c => c.type === 'Ready')?.reason, 'PodCompleted');
    assert.equal((await t.runtime.ListContainers({})).containers?.length, 1);
    await t.deletePod('once');
    await t.pass(1000);
    assert.equal(await t.podExists('once'), false);
    assert.equal((await t.runtime.ListContainers({})).containers?.length, 0);
  } finally {
    await t.stop();
  }
});

test('init containers run in order, sidecars start before and end after the others', async () => {
  const order: string[] = [];
  const t = await startTestNode({
    simulate: {
      behaviour: c => {
        order.push(c.metadata?.name ?? '');
        return c.metadata?.name?.startsWith('init')
          ? { exitAfterMs: 500 }
          : c.metadata?.name === 'app'
            ? { exitAfterMs: 3000 }
            : {};
      },
    },
  });
  try {
    await t.createPod({
      metadata: { name: 'steps' },
      spec: {
        restartPolicy: 'Never',
        initContainers: [
          { ...container, name: 'init-1' },
          { ...container, name: 'proxy', restartPolicy: 'Always' },
          { ...container, name: 'init-2' },
        ],
        containers: [container],
      },
    });
    const pending = await t.getPod('steps');
    assert.equal(pending.status?.phase, 'Pending');
    assert.equal(pending.status?.containerStatuses?.[0]?.state?.waiting?.reason, 'PodInitializing');
    assert.equal(
      pending.status?.conditions?.find(c => c.type === 'Initialized')?.message,
      'containers with incomplete status: [init-1 proxy init-2]',
    );
    await t.pass(1500);
    assert.deepEqual(order, ['init-1', 'proxy', 'init-2', 'app']);
    assert.equal((await t.getPod('steps')).status?.phase, 'Running');
    await t.pass(5000);
    const done = await t.getPod('steps');
    assert.equal(done.status?.phase, 'Succeeded');
    assert.ok(done.status?.initContainerStatuses?.[1]?.state?.terminated);
  } finally {
    await t.stop();
  }
});

test('a failed pull shows ErrImagePull, then ImagePullBackOff, then recovers', async () => {
  const { RuntimeError } = await import('../cri/runtime-error.ts');
  let broken = true;
  const t = await startTestNode({
    simulate: { pull: () => (broken ? { error: new RuntimeError('PullImage', 'NotFound', 'no such image') } : {}) },
  });
  try {
    await t.createPod({ metadata: { name: 'pull' }, spec: { containers: [container] } });
    const first = (await t.getPod('pull')).status?.containerStatuses?.[0]?.state?.waiting;
    assert.equal(first?.reason, 'ErrImagePull');
    await t.pass(3000);
    const second = (await t.getPod('pull')).status?.containerStatuses?.[0]?.state?.waiting;
    assert.equal(second?.reason, 'ImagePullBackOff');
    assert.equal(
      second?.message,
      'Back-off pulling image "example.com/app:1": ErrImagePull: rpc error: code = NotFound desc = no such image',
    );
    broken = false;
    await t.pass(15_000);
    assert.equal((await t.getPod('pull')).status?.phase, 'Running');
    const events = await t.events('pull');
    assert.ok(events.includes('Failed: Error: ErrImagePull'), events.join('\n'));
    assert.ok(events.includes('Failed: Error: ImagePullBackOff'));
  } finally {
    await t.stop();
  }
});

test('waits for a ConfigMap, mounts it and keeps it up to date', async () => {
  const t = await startTestNode();
  try {
    const created = await t.createPod({
      metadata: { name: 'config' },
      spec: {
        containers: [
          {
            ...container,
            env: [{ name: 'LEVEL', valueFrom: { configMapKeyRef: { name: 'settings', key: 'level' } } }],
            volumeMounts: [{ name: 'conf', mountPath: '/conf' }],
          },
        ],
        volumes: [{ name: 'conf', configMap: { name: 'settings' } }],
      },
    });
    await t.pass(3000);
    assert.equal((await t.getPod('config')).status?.phase, 'Pending');
    const events = await t.events('config');
    assert.ok(
      events.includes('FailedMount: MountVolume.SetUp failed for volume "conf" : configmap "settings" not found'),
      events.join('\n'),
    );
    await t.client.create(coreV1.configmaps, {
      metadata: { name: 'settings', namespace: 'default' },
      data: { level: 'info' },
    });
    await t.pass(200);
    assert.equal((await t.getPod('config')).status?.phase, 'Running');
    const path = `/var/lib/kubelet/pods/${created.metadata.uid}/volumes/kubernetes.io~configmap/conf/level`;
    assert.equal(await t.host.readFile(path), 'info');
    await t.client.update(coreV1.configmaps, {
      metadata: { name: 'settings', namespace: 'default' },
      data: { level: 'debug' },
    });
    await t.pass(200);
    assert.equal(await t.host.readFile(path), 'debug');
  } finally {
    await t.stop();
  }
});

test('a failing liveness probe restarts the container, readiness takes it out', async () => {
  let alive = true;
  let ready = false;
  const t = await startTestNode({
    probeNetwork: {
      async http() {
        return alive
          ? { result: 'success', output: '' }
          : { result: 'failure', output: 'HTTP probe failed with statuscode: 500' };
      },
      async tcp() {
        return ready
          ? { result: 'success', output: '' }
          : { result: 'failure', output: 'dial tcp: connection refused' };
      },
      async grpc() {
        return { result: 'success', output: '' };
      },
    },
  });
  try {
    await t.createPod({
      metadata: { name: 'probed' },
      spec: {
        containers: [
          {
            ...container,
            livenessProbe: { httpGet: { port: 80, path: '/' }, periodSeconds: 2, failureThreshold: 2 },
            readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 },
          },
        ],
      },
    });
    await t.pass(3000);
    assert.equal((await t.getPod('probed')).status?.conditions?.find(c => c.type === 'Ready')?.status, 'False');
    ready = true;
    await t.pass(1500);
    assert.equal((await t.getPod('probed')).status?.conditions?.find(c => c.type === 'Ready')?.status, 'True');
    alive = false;
    await t.pass(4500);
    alive = true;
    await t.pass(100);
    const status = (await t.getPod('probed')).status?.containerStatuses?.[0];
    assert.equal(status?.restartCount, 1);
    const events = await t.events('probed');
    assert.ok(
      events.includes('Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500'),
      events.join('\n'),
    );
    assert.ok(events.includes('Killing: Container app failed liveness probe, will be restarted'), events.join('\n'));
  } finally {
    await t.stop();
  }
});

test('killed for its liveness, a container that ends well starts again unless its pod runs once', async () => {
  let alive = true;
  const answer = async () => ({ result: alive ? ('success' as const) : ('failure' as const), output: '' });
  const t = await startTestNode({
    simulate: { behaviour: () => ({ stopExitCode: 0 }) },
    probeNetwork: { http: answer, tcp: answer, grpc: answer },
  });
  try {
    const livenessProbe = { tcpSocket: { port: 80 }, initialDelaySeconds: 5, periodSeconds: 1, failureThreshold: 1 };
    for (const restartPolicy of ['OnFailure', 'Never'] as const)
      await t.createPod({
        metadata: { name: restartPolicy.toLowerCase() },
        spec: { restartPolicy, containers: [{ ...container, livenessProbe }] },
      });
    await t.pass(7000);
    alive = false;
    await t.pass(2000);
    alive = true;
    await t.pass(1000);
    const said = async (name: string) => {
      const { status } = await t.getPod(name);
      return [status?.phase, status?.containerStatuses?.[0]?.restartCount];
    };
    assert.deepEqual(await said('onfailure'), ['Running', 1]);
    assert.deepEqual(await said('never'), ['Succeeded', 0]);
  } finally {
    await t.stop();
  }
});

test('what the runtime says of a container it cannot start is told without the words of gRPC', async () => {
  const t = await startTestNode();
  try {
    const why = 'failed to create containerd task: exec: "nosuch": executable file not found in $PATH: unknown';
    t.runtime.StartContainer = () => Promise.reject(new RuntimeError('StartContainer', 'Unknown', why));
    await t.createPod({ metadata: { name: 'bad' }, spec: { containers: [container] } });
    assert.ok((await t.events('bad')).includes(`Failed: Error: ${why}`), (await t.events('bad')).join('\n'));
    const state = (await t.getPod('bad')).status?.containerStatuses?.[0]?.state;
    assert.deepEqual(state?.waiting, { reason: 'RunContainerError', message: why });
  } finally {
    await t.stop();
  }
});

test('what is deleted while its container is made is never started', async () => {
  const behaviour = () => ({ createDelayMs: 3000, ignoresTerm: true });
  const t = await startTestNode({ simulate: { behaviour } });
  try {
    await t.createPod({ metadata: { name: 'brief' }, spec: { containers: [container] } });
    await t.deletePod('brief');
    await t.pass(4000);
    assert.equal(await t.podExists('brief'), false);
    assert.ok(!(await t.events('brief')).some(e => /^(Started|Failed)/.test(e)), (await t.events('brief')).join('\n'));
    assert.deepEqual((await t.runtime.ListContainers({})).containers, []);
  } finally {
    await t.stop();
  }
});

test('a container that was made but never started has failed when its pod has ended', async () => {
  const t = await startTestNode({ simulate: { behaviour: () => ({ createDelayMs: 3000 }) } });
  try {
    // As containerd does: what has not started is left as it was made when its sandbox is stopped.
    t.runtime.StopPodSandbox = () => Promise.resolve({});
    await t.createPod({
      metadata: { name: 'brief', finalizers: ['k8ts.test/kept'] },
      spec: { containers: [container] },
    });
    await t.deletePod('brief');
    await t.pass(4000);
    const { phase, containerStatuses } = (await t.getPod('brief')).status ?? {};
    const { exitCode, reason } = containerStatuses?.[0]?.state?.terminated ?? {};
    assert.deepEqual([phase, exitCode, reason], ['Failed', 137, 'ContainerStatusUnknown']);
  } finally {
    await t.stop();
  }
});

test('activeDeadlineSeconds ends a pod', async () => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'late' }, spec: { activeDeadlineSeconds: 5, containers: [container] } });
    await t.pass(7000);
    const { status } = await t.getPod('late');
    assert.deepEqual([status?.phase, status?.reason], ['Failed', 'DeadlineExceeded']);
    assert.equal(status?.message, 'Pod was active on the node longer than the specified deadline');
  } finally {
    await t.stop();
  }
});
