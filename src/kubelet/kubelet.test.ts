import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinationV1, coreV1 } from '../api/refs.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { startTestNode } from './test-node.ts';

const container = { name: 'app', image: 'example.com/app:1' };

test('registers the node, its lease and its events', async () => {
  const t = await startTestNode();
  try {
    const node = await t.client.get(coreV1.nodes, { name: 'node-a' });
    assert.equal(node.metadata.labels?.['kubernetes.io/hostname'], 'node-a');
    assert.equal(node.status?.capacity?.memory, '8Gi');
    assert.equal(node.status?.allocatable?.memory, '8092Mi');
    const ready = node.status?.conditions?.find(c => c.type === 'Ready');
    assert.deepEqual([ready?.status, ready?.reason], ['True', 'KubeletReady']);
    await t.pass(20_000);
    const lease = await t.client.get(coordinationV1.leases, { namespace: 'kube-node-lease', name: 'node-a' });
    assert.equal(lease.spec?.leaseDurationSeconds, 40);
    assert.equal(lease.metadata.ownerReferences?.[0]?.uid, node.metadata.uid);
    const events = await t.events('node-a');
    assert.ok(events.includes('Starting: Starting kubelet.'), events.join('\n'));
    assert.ok(events.includes('NodeReady: Node node-a status is now: NodeReady'), events.join('\n'));
  } finally {
    await t.stop();
  }
});

test('an extended resource that an administrator advertises becomes allocatable, and stays', async () => {
  const t = await startTestNode();
  const advertised = async () => {
    const { status } = await t.client.get(coreV1.nodes, { name: 'node-a' });
    return [status?.capacity?.['example.com/dongle'], status?.allocatable?.['example.com/dongle']];
  };
  try {
    await t.client.patch(
      coreV1.nodes,
      { name: 'node-a' },
      { type: 'merge', body: { status: { capacity: { 'example.com/dongle': '4' } } } },
      { subresource: 'status' },
    );
    assert.deepEqual(await advertised(), ['4', undefined]);
    await t.pass(10_000);
    assert.deepEqual(await advertised(), ['4', '4']);
    await t.pass(60_000);
    assert.deepEqual(await advertised(), ['4', '4']);
  } finally {
    await t.stop();
  }
});

test('tells that it is ready again after nobody had heard of it', async () => {
  const t = await startTestNode();
  const told = async () => (await t.events('node-a')).filter(e => e.startsWith('NodeReady: ')).length;
  try {
    await t.pass(30_000);
    assert.equal(await told(), 1);
    const { status } = await t.client.get(coreV1.nodes, { name: 'node-a' });
    const conditions = status?.conditions?.map(c => ({ ...c, status: 'Unknown', reason: 'NodeStatusUnknown' }));
    const body = { status: { conditions } };
    await t.client.patch(coreV1.nodes, { name: 'node-a' }, { type: 'merge', body }, { subresource: 'status' });
    await t.pass(10_000);
    const again = (await t.client.list(coreV1.events, {})).items.find(e => e.reason === 'NodeReady');
    assert.equal(again?.count, 2);
    await t.pass(60_000);
    const later = (await t.client.list(coreV1.events, {})).items.find(e => e.reason === 'NodeReady');
    assert.equal(later?.count, 2);
  } finally {
    await t.stop();
  }
});

test('tells when its node is cordoned, and when no longer', async () => {
  const t = await startTestNode();
  try {
    for (const [unschedulable, reason] of [
      [true, 'NodeNotSchedulable'],
      [null, 'NodeSchedulable'],
    ] as const) {
      await t.client.patch(coreV1.nodes, { name: 'node-a' }, { type: 'merge', body: { spec: { unschedulable } } });
      await t.pass(60_000);
      const told = (await t.events('node-a')).filter(e => e.includes('Schedulable'));
      assert.equal(told.at(-1), `${reason}: Node node-a status is now: ${reason}`);
    }
    assert.equal((await t.events('node-a')).filter(e => e.includes('chedulable:')).length, 2);
  } finally {
    await t.stop();
  }
});

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

test('a pod that the node turns away shows why, and no containers', async () => {
  const t = await startTestNode();
  try {
    const securityContext = { sysctls: [{ name: 'kernel.msgmax', value: '1' }] };
    await t.createPod({ metadata: { name: 'unsafe' }, spec: { securityContext, containers: [container] } });
    const { startTime, conditions, ...status } = (await t.getPod('unsafe')).status!;
    assert.deepEqual(status, {
      observedGeneration: 1,
      phase: 'Failed',
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
      qosClass: 'BestEffort',
    });
    assert.ok(startTime);
    assert.deepEqual(
      (conditions ?? []).filter(c => c.type !== 'PodScheduled'),
      [],
    );
    assert.deepEqual(await t.events('unsafe'), ['SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowlisted']);
    await t.deletePod('unsafe');
    await t.pass(1000);
    assert.equal(await t.podExists('unsafe'), false);
  } finally {
    await t.stop();
  }
});

test('a pod that was deleted at once makes room at once, though its containers still end', async () => {
  const t = await startTestNode({ simulate: { behaviour: () => ({ ignoresTerm: true }) } });
  const resources = { requests: { cpu: '3' } };
  const spec = { terminationGracePeriodSeconds: 30, containers: [{ ...container, resources }] };
  try {
    await t.createPod({ metadata: { name: 'victim' }, spec });
    await t.client.delete(coreV1.pods, { namespace: 'default', name: 'victim' }, { gracePeriodSeconds: 0 });
    await t.createPod({ metadata: { name: 'preemptor' }, spec });
    assert.equal((await t.getPod('preemptor')).status?.phase, 'Running', (await t.events('preemptor')).join('\n'));
  } finally {
    await t.stop();
  }
});

for (const [user_namespaces, why] of [
  [undefined, 'runtime handlers are not set'],
  [false, 'RuntimeClass handler "" does not support user namespaces'],
  [true, undefined],
] as const)
  test(`a pod that wants a user namespace of its own, where the runtime says ${user_namespaces} of them`, async () => {
    const handlers = user_namespaces === undefined ? [] : [{ name: '', features: { user_namespaces } }];
    const t = await startTestNode({ simulate: { handlers } });
    try {
      const created = { metadata: { name: 'own' }, spec: { hostUsers: false, containers: [container] } };
      await t.createPod(created);
      const events = await t.events('own');
      const wanted = why
        ? `FailedCreatePodSandBox: Failed to create pod sandbox: ${why}`
        : 'Started: Container started';
      assert.ok(events.includes(wanted), events.join('\n'));
      assert.equal((await t.getPod('own')).status?.phase, why ? 'Pending' : 'Running');
    } finally {
      await t.stop();
    }
  });

test('a restarted kubelet touches nothing that runs', async () => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'steady' }, spec: { containers: [container] } });
    const before = await t.getPod('steady');
    const ids = (await t.runtime.ListContainers({})).containers?.map(c => c.id);
    await t.restart();
    await t.pass(60_000);
    const after = await t.getPod('steady');
    assert.deepEqual(
      (await t.runtime.ListContainers({})).containers?.map(c => c.id),
      ids,
    );
    assert.deepEqual(after.status, before.status);
    assert.equal(after.metadata.resourceVersion, before.metadata.resourceVersion);
  } finally {
    await t.stop();
  }
});

test('a kubelet that comes back removes the containers of pods that are gone', async () => {
  const t = await startTestNode();
  try {
    await t.createPod({ metadata: { name: 'lost' }, spec: { containers: [container] } });
    t.client.clearActions();
    await t.deletePod('lost', 0);
    await t.pass(30_000);
    assert.deepEqual((await t.runtime.ListContainers({})).containers, []);
    assert.deepEqual((await t.runtime.ListPodSandbox({})).items, []);
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

test('static pods run, have a mirror, and go with their manifest', async () => {
  const t = await startTestNode({ staticPodPath: '/etc/kubernetes/manifests' });
  try {
    await t.host.makeDirectory('/etc/kubernetes/manifests');
    const manifest =
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - name: etcd\n    image: example.com/etcd:1\n';
    await t.host.writeFile('/etc/kubernetes/manifests/etcd.yaml', manifest);
    await t.pass(30_000);
    const mirror = await t.getPod('etcd-node-a');
    assert.equal(mirror.status?.phase, 'Running');
    assert.equal(mirror.metadata.annotations?.['kubernetes.io/config.source'], 'file');
    assert.match(mirror.metadata.annotations?.['kubernetes.io/config.seen'] ?? '', /:\d\d\.\d*[1-9]Z$/);
    assert.equal(mirror.metadata.ownerReferences?.[0]?.kind, 'Node');
    assert.equal(
      mirror.metadata.annotations?.['kubernetes.io/config.mirror'],
      mirror.metadata.annotations?.['kubernetes.io/config.hash'],
    );
    await t.host.remove('/etc/kubernetes/manifests/etcd.yaml');
    await t.pass(60_000);
    assert.equal(await t.podExists('etcd-node-a'), false);
    assert.deepEqual((await t.runtime.ListContainers({})).containers, []);
  } finally {
    await t.stop();
  }
});

test('asked by name, it means the pod that is wanted, not the one that still ends', async () => {
  const t = await startTestNode({ simulate: { behaviour: () => ({ ignoresTerm: true }) } });
  try {
    const spec = { terminationGracePeriodSeconds: 0, containers: [container] };
    const old = await t.createPod({ metadata: { name: 'twin' }, spec });
    await t.deletePod('twin', 0);
    assert.equal(await t.podExists('twin'), false);
    const young = await t.createPod({ metadata: { name: 'twin' }, spec });
    assert.equal(t.kubelet.pods().length, 2);
    assert.equal(t.kubelet.pod('default', 'twin')?.metadata.uid, young.metadata.uid);
    assert.equal(t.kubelet.pod('default', 'twin', old.metadata.uid)?.metadata.uid, old.metadata.uid);
    await t.pass(5000);
    assert.deepEqual(
      t.kubelet.pods().map(p => p.metadata.uid),
      [young.metadata.uid],
    );
  } finally {
    await t.stop();
  }
});
