// The kubelet on a real containerd, real files and mounts; the API server is a fake.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cloneDeep, type Draft } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { busyboxImage, startTestContainerd, type TestContainerd } from '../cri/test-containerd.ts';
import { createKubelet, type Kubelet } from './kubelet.ts';
import { linuxPodCgroups } from './linux-cgroups.ts';

let containerd: TestContainerd;
let client: FakeClient;
let kubelet: Kubelet;
let root: string;
let stop: (() => Promise<void>) | undefined;

async function startKubelet(): Promise<void> {
  const log = createLog('kubelet', { level: 'warn' });
  const abort = new AbortController();
  const informers = createInformerFactory(client, { clock: systemClock, random: systemRandom, log });
  kubelet = createKubelet({
    nodeName: 'node-a',
    client,
    informers,
    runtime: containerd.runtime,
    clock: systemClock,
    random: systemRandom,
    log,
    rootDirectory: join(root, 'kubelet'),
    podLogsDirectory: join(root, 'pods'),
    containerLogsDirectory: join(root, 'containers'),
    staticPodPath: join(root, 'manifests'),
    clusterDns: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    nodeIps: ['192.0.2.10'],
    cgroups: linuxPodCgroups(containerd.cgroups),
    failSwapOn: false,
    evictionSignals: async () => ({}),
  });
  const runs = Promise.all([informers.run(abort.signal), kubelet.run(abort.signal)]);
  stop = async () => {
    abort.abort();
    await runs;
  };
  await kubelet.ready();
}

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-kubelet-'));
  mkdirSync(join(root, 'manifests'));
  containerd = await startTestContainerd();
  // A clock that stands still: the fake's watch time-outs would outlive the test.
  client = fakeClient([], { clock: new VirtualClock(systemClock.now()), random: systemRandom });
  await startKubelet();
});

after(async () => {
  await stop?.();
  await containerd?.dispose();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n').reverse()) {
    const point = line.split(' ')[4];
    if (root && point?.startsWith(root)) execFileSync('umount', ['-l', point]);
  }
  if (root) rmSync(root, { recursive: true, force: true });
});

async function until<T>(what: string, probe: () => Promise<T | undefined | false>, seconds = 30): Promise<T> {
  const endMs = systemClock.monotonic() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (systemClock.monotonic() > endMs) {
      const pods = client.objects(coreV1.pods).map(p => JSON.stringify(p.status));
      const events = client.objects(coreV1.events).map(e => `${e.reason}: ${e.message}`);
      throw new Error(`${what} did not come about\n${pods.join('\n')}\n${events.join('\n')}`);
    }
    await systemClock.sleep(50);
  }
}

const get = (name: string) => client.object(coreV1.pods, { namespace: 'default', name });

async function create(name: string, spec: Draft<Pod['spec']>): Promise<void> {
  await client.create(
    coreV1.pods,
    cloneDeep({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name, namespace: 'default', labels: { app: name } },
      spec: { nodeName: 'node-a', ...spec },
      status: { phase: 'Pending' },
    } as unknown as Pod),
  );
}

const running = (name: string) =>
  until(
    `${name} ready`,
    async () => get(name)?.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') && get(name)!,
  );
const ended = (name: string) =>
  until(`${name} ended`, async () => ['Succeeded', 'Failed'].includes(get(name)?.status?.phase ?? '') && get(name)!);
const sh = (script: string) => ['/bin/sh', '-c', script];
const shell = (name: string, script: string) => ({
  name,
  image: busyboxImage,
  imagePullPolicy: 'IfNotPresent' as const,
  command: sh(script),
});
const logOf = (pod: Pod, container: string, n = 0) => {
  const { namespace, name, uid } = pod.metadata;
  return readFileSync(join(root, 'pods', `${namespace}_${name}_${uid}`, container, `${n}.log`), 'utf8')
    .split('\n')
    .map(line => line.split(' ').slice(3).join(' '))
    .join('\n');
};

test('environment, files, mounts and limits of a container', async () => {
  await client.create(coreV1.configmaps, {
    metadata: { name: 'conf', namespace: 'default' },
    data: { level: 'info', 'a.txt': 'hello' },
  });
  await client.create(coreV1.secrets, {
    metadata: { name: 'pass', namespace: 'default' },
    data: { word: Buffer.from('s3cret').toString('base64') },
  });
  await create('full', {
    restartPolicy: 'Never',
    hostname: 'box',
    subdomain: 'sub',
    securityContext: { fsGroup: 4321 },
    initContainers: [
      { ...shell('init', 'echo from-init > /work/file'), volumeMounts: [{ name: 'work', mountPath: '/work' }] },
    ],
    containers: [
      {
        ...shell(
          'app',
          'busybox cat /work/file /conf/a.txt /secret/word; echo; busybox hostname; echo $LEVEL $POD $IP $(busybox id -u) $BOTH; busybox cat /etc/hosts; busybox cat /etc/resolv.conf; busybox cat /sub/nested; busybox stat -c "%g %a" /work; busybox cat /info/labels; echo last words > /dev/termination-log; exit 7',
        ),
        env: [
          { name: 'LEVEL', valueFrom: { configMapKeyRef: { name: 'conf', key: 'level' } } },
          { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'BOTH', value: '$(LEVEL)-$(POD)-$$(POD)' },
        ],
        resources: { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '500m', memory: '64Mi' } },
        securityContext: { runAsUser: 1000, runAsNonRoot: true },
        terminationMessagePolicy: 'File',
        volumeMounts: [
          { name: 'work', mountPath: '/work' },
          { name: 'conf', mountPath: '/conf' },
          { name: 'pass', mountPath: '/secret' },
          { name: 'info', mountPath: '/info' },
          { name: 'work', mountPath: '/sub', subPathExpr: '$(POD)' },
        ],
      },
    ],
    volumes: [
      { name: 'work', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      { name: 'conf', configMap: { name: 'conf' } },
      { name: 'pass', secret: { secretName: 'pass' } },
      { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    ],
  });
  const pod = await ended('full');
  const state = pod.status?.containerStatuses?.[0]?.state?.terminated;
  const log = logOf(pod, 'app');
  assert.deepEqual(
    [pod.status?.phase, state?.exitCode, state?.message, state?.reason],
    ['Failed', 7, 'last words\n', 'Error'],
    log,
  );
  assert.match(log, /from-init/);
  assert.match(log, /hellos3cret/);
  assert.match(log, /^box$/m);
  assert.match(log, new RegExp(`^info full ${pod.status?.podIP} 1000 info-full-\\$\\(POD\\)$`, 'm'));
  assert.match(log, /# Kubernetes-managed hosts file\./);
  assert.match(log, new RegExp(`${pod.status?.podIP}\tbox\\.sub\\.default\\.svc\\.cluster\\.local\tbox`));
  assert.match(log, /nameserver 10\.96\.0\.10/);
  assert.match(log, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
  assert.match(log, /^4321 3777$/m);
  assert.match(log, /^app="full"$/m);
});

test('exec probes, hooks, graceful end and clean-up', async () => {
  await create('web', {
    terminationGracePeriodSeconds: 10,
    containers: [
      {
        ...shell(
          'app',
          'trap "echo got-term; exit 0" TERM; touch() { busybox touch "$1"; }; while true; do busybox sleep 0.1; done',
        ),
        startupProbe: { exec: { command: ['/bin/busybox', 'true'] }, periodSeconds: 1 },
        readinessProbe: { exec: { command: ['/bin/busybox', 'test', '-e', '/tmp/ready'] }, periodSeconds: 1 },
        lifecycle: {
          postStart: { exec: { command: ['/bin/busybox', 'touch', '/tmp/ready'] } },
          preStop: { exec: { command: sh('echo pre-stop > /proc/1/fd/1') } },
        },
      },
    ],
  });
  const pod = await running('web');
  const id = pod.status?.containerStatuses?.[0]?.containerID;
  assert.match(id ?? '', /^containerd:\/\/[0-9a-f]{64}$/);
  assert.equal(pod.status?.containerStatuses?.[0]?.started, true);
  const logFile = join(root, 'pods', `default_web_${pod.metadata.uid}`, 'app', '0.log');
  await client.delete(coreV1.pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 10 });
  await until('SIGTERM seen', async () =>
    existsSync(logFile) ? /pre-stop[\s\S]*got-term/.test(readFileSync(logFile, 'utf8')) : get('web') === undefined,
  );
  await until('web gone', async () => get('web') === undefined);
  await until(
    'web cleaned up',
    async () => !existsSync(join(root, 'kubelet/pods', pod.metadata.uid)) && !existsSync(logFile),
  );
  assert.equal(
    containerd.cgroups.pods().some(p => p.uid === pod.metadata.uid),
    false,
  );
});

test('a new kubelet leaves running containers alone', async () => {
  await create('steady', { containers: [shell('app', 'trap "exit 0" TERM; while true; do busybox sleep 0.2; done')] });
  const before = await running('steady');
  await stop?.();
  await startKubelet();
  await until('pods taken on', async () => kubelet.pods().some(p => p.metadata.name === 'steady'));
  await systemClock.sleep(1500);
  const later = get('steady')!;
  assert.deepEqual(later.status?.containerStatuses, before.status?.containerStatuses);
  assert.equal(later.metadata.resourceVersion, before.metadata.resourceVersion);
  await client.delete(coreV1.pods, { namespace: 'default', name: 'steady' }, { gracePeriodSeconds: 1 });
  await until('steady gone', async () => get('steady') === undefined);
});

test('static pods from the manifest directory', async () => {
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'static', namespace: 'default' },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell('app', 'while true; do busybox sleep 0.2; done')] },
  };
  const file = join(root, 'manifests/static.json');
  writeFileSync(file, JSON.stringify(manifest));
  await until('mirror running', async () => get('static-node-a')?.status?.phase === 'Running');
  rmSync(file);
  await until('mirror gone', async () => get('static-node-a') === undefined);
});
