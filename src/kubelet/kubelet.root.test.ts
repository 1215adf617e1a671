// The kubelet on a real containerd, real files and mounts; the API server is a fake.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cloneDeep, type Draft } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { systemClock } from '../base/clock.ts';
import { busyboxImage } from '../cri/test-containerd.ts';
import { type RootNode, startRootNode } from './test-root-node.ts';

let node: RootNode;

before(async () => {
  node = await startRootNode(root => {
    mkdirSync(join(root, 'manifests'), { recursive: true });
    return { containerLogsDirectory: join(root, 'containers'), staticPodPath: join(root, 'manifests') };
  });
});

after(() => node?.dispose());

const until: RootNode['until'] = (what, probe, seconds) => node.until(what, probe, seconds);
const get = (name: string) => node.get(name);

async function create(name: string, spec: Draft<Pod['spec']>): Promise<void> {
  await node.client.create(
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
  return readFileSync(join(node.root, 'pods', `${namespace}_${name}_${uid}`, container, `${n}.log`), 'utf8')
    .split('\n')
    .map(line => line.split(' ').slice(3).join(' '))
    .join('\n');
};

test('environment, files, mounts and limits of a container', async () => {
  await node.client.create(coreV1.configmaps, {
    metadata: { name: 'conf', namespace: 'default' },
    data: { level: 'info', 'a.txt': 'hello' },
  });
  await node.client.create(coreV1.secrets, {
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
  const logFile = join(node.root, 'pods', `default_web_${pod.metadata.uid}`, 'app', '0.log');
  await node.client.delete(coreV1.pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 10 });
  await until('SIGTERM seen', async () =>
    existsSync(logFile) ? /pre-stop[\s\S]*got-term/.test(readFileSync(logFile, 'utf8')) : get('web') === undefined,
  );
  await until('web gone', async () => get('web') === undefined);
  await until(
    'web cleaned up',
    async () => !existsSync(join(node.root, 'kubelet/pods', pod.metadata.uid)) && !existsSync(logFile),
  );
  assert.equal(
    node.containerd.cgroups.pods().some(p => p.uid === pod.metadata.uid),
    false,
  );
});

test('a new kubelet leaves running containers alone', async () => {
  await create('steady', { containers: [shell('app', 'trap "exit 0" TERM; while true; do busybox sleep 0.2; done')] });
  const before = await running('steady');
  await node.restart();
  await until('pods taken on', async () => node.kubelet.pods().some(p => p.metadata.name === 'steady'));
  await systemClock.sleep(1500);
  const later = get('steady')!;
  assert.deepEqual(later.status?.containerStatuses, before.status?.containerStatuses);
  assert.equal(later.metadata.resourceVersion, before.metadata.resourceVersion);
  await node.client.delete(coreV1.pods, { namespace: 'default', name: 'steady' }, { gracePeriodSeconds: 1 });
  await until('steady gone', async () => get('steady') === undefined);
});

test('static pods from the manifest directory', async () => {
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'static', namespace: 'default' },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell('app', 'while true; do busybox sleep 0.2; done')] },
  };
  const file = join(node.root, 'manifests/static.json');
  writeFileSync(file, JSON.stringify(manifest));
  await until('mirror running', async () => get('static-node-a')?.status?.phase === 'Running');
  rmSync(file);
  await until('mirror gone', async () => get('static-node-a') === undefined);
});
