// A CSI driver on two real nodes, its manifest naming /var/lib/kubelet as all do, with those sidecars of Kubernetes'
// storage group that Go can build here: volumes provisioned, attached, mounted, moved, grown and removed.
// Runs beside others: its cluster, its driver and the directory of its volumes are its own.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clusterPaths, nodePaths } from '../../src/cluster/state.ts';
import { ClusterAccess, sh, waiting } from '../cluster-access.ts';
import { eventually, loadBusybox, newLab } from '../lab.ts';
import { nodeMounts, nodeVolumes } from '../node/peers.ts';
import { buildSidecars, type Sidecar, sidecarDirectory } from './csi/sidecars.ts';
import { StandIn } from './csi/stand-in.ts';

const image = 'k8ts.test/busybox:1';
const driver = 'hostdir.k8ts.test';
const repository = resolve(import.meta.dirname, '../..');
const lab = newLab('csi');
const data = join(lab.home, 'csi-data');
const storage = '/apis/storage.k8s.io/v1';
const nodes = ['node-1', 'node-2'] as const;
let c: ClusterAccess;
/** Sidecars that this machine cannot have, and why. */
let missing: Partial<Record<Sidecar, string>>;
let standIn: StandIn | undefined;

const kubeletRoot = (node: string): string => join(nodePaths(clusterPaths(lab.name, lab.env), node).state, 'kubelet');

const hostPath = (name: string, path: string, type = '') => ({ name, hostPath: { path, type } });
const sidecar = (name: string, ...args: string[]) => ({
  name,
  command: [`/sidecars/${name}`, '--csi-address=/csi/csi.sock', '--v=4', '--timeout=30s', ...args],
  volumeMounts: [
    { name: 'plugin', mountPath: '/csi' },
    { name: 'sidecars', mountPath: '/sidecars', readOnly: true },
  ],
});

/** As drivers' own manifests have it. */
async function startDriver(node: string, sidecars: readonly object[]): Promise<void> {
  const mount = (name: string, mountPath: string, more: object = {}) => ({ name, mountPath, ...more });
  const shared = { mountPropagation: 'Bidirectional' };
  const script = join(repository, 'test/interop/csi/driver.ts');
  const places = ['/csi/csi.sock', `/var/lib/kubelet/plugins/${driver}/csi.sock`, `/registration/${driver}-reg.sock`];
  await c.pod(`driver-${node}`, {
    nodeName: node,
    restartPolicy: 'Always',
    automountServiceAccountToken: true,
    containers: [
      {
        name: 'driver',
        command: ['/node/node', script, ...places, '/csi-data', node],
        securityContext: { privileged: true },
        volumeMounts: [
          ...nodeMounts,
          mount('repository', repository, { readOnly: true }),
          mount('plugin', '/csi'),
          mount('registration', '/registration'),
          mount('pods', '/var/lib/kubelet/pods', shared),
          mount('plugins', '/var/lib/kubelet/plugins', shared),
          mount('data', '/csi-data'),
        ],
      },
      ...(sidecars as { name: string }[]),
    ],
    volumes: [
      ...nodeVolumes,
      hostPath('repository', repository, 'Directory'),
      hostPath('plugin', `/var/lib/kubelet/plugins/${driver}`, 'DirectoryOrCreate'),
      hostPath('registration', '/var/lib/kubelet/plugins_registry', 'Directory'),
      hostPath('pods', '/var/lib/kubelet/pods', 'Directory'),
      hostPath('plugins', '/var/lib/kubelet/plugins', 'Directory'),
      hostPath('data', data, 'DirectoryOrCreate'),
      ...(sidecars.length ? [hostPath('sidecars', sidecarDirectory, 'Directory')] : []),
    ],
  } as object);
}

before(async () => {
  missing = await buildSidecars();
  await lab.k8ts('up', '--nodes', '2');
  await loadBusybox(lab, image);
  c = new ClusterAccess(lab, 'csi', image);
  await c.ask('POST', '/api/v1/namespaces', { metadata: { name: 'csi' } });
  await c.ask('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'csi-sidecars' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'csi' }],
  });
  await c.ask('POST', `${storage}/csidrivers`, {
    metadata: { name: driver },
    spec: { podInfoOnMount: true, fsGroupPolicy: 'File', volumeLifecycleModes: ['Persistent', 'Ephemeral'] },
  });
  await c.ask('POST', `${storage}/storageclasses`, {
    metadata: { name: 'hostdir' },
    provisioner: driver,
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  });
  const sidecars = [
    sidecar('csi-provisioner', '--feature-gates=Topology=true', '--immediate-topology=false'),
    sidecar('csi-attacher'),
    sidecar('csi-resizer'),
  ].filter(s => !(s.name in missing));
  await startDriver('node-1', sidecars);
  await startDriver('node-2', []);
  for (const node of nodes) await c.ready(`driver-${node}`);
  const absent = new Set(Object.keys(missing) as Sidecar[]);
  if (!absent.size) return;
  standIn = new StandIn(c, driver, join(kubeletRoot('node-1'), 'plugins', driver, 'csi.sock'), absent);
  standIn.start();
});

after(async () => {
  await standIn?.stop();
  await lab.dispose();
});

const claim = () => c.ask('GET', c.path('persistentvolumeclaims', 'data'));
const attachments = async (): Promise<any[]> => (await c.ask('GET', `${storage}/volumeattachments`)).items;
const statusOf = async (node: string) => (await c.ask('GET', `/api/v1/nodes/${node}`)).status;
const volumes = () => readdirSync(data).filter(name => name.startsWith('vol-'));
const user = (name: string, node: string, script: string, more: object = {}) =>
  c.pod(name, {
    nodeSelector: { 'kubernetes.io/hostname': node },
    containers: [{ name: 'main', command: sh(script), volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    ...more,
  } as object);
async function end(name: string): Promise<void> {
  await c.delete('pods', name, { gracePeriodSeconds: 1 });
  await c.gone(name);
}

describe('a CSI driver', () => {
  test('is in every node’s CSINode, on the node and in its labels', async t => {
    for (const [name, why] of Object.entries(missing)) t.diagnostic(`a stand-in for ${name}: ${why}`);
    for (const name of nodes) {
      const { spec } = await eventually('the driver', async () => {
        const found = await c.ask('GET', `${storage}/csinodes/${name}`);
        return found.spec.drivers?.length > 0 && found;
      });
      const topologyKeys = [`topology.${driver}/machine`];
      assert.deepEqual(spec.drivers, [{ name: driver, nodeID: `id-${name}`, topologyKeys, allocatable: { count: 7 } }]);
      const { metadata } = await c.ask('GET', `/api/v1/nodes/${name}`);
      assert.equal(metadata.labels[topologyKeys[0]!], 'one');
      assert.equal(metadata.annotations['csi.volume.kubernetes.io/nodeid'], JSON.stringify({ [driver]: `id-${name}` }));
    }
  });

  test('gives a claim its volume when a pod needs it: provisioned, attached, staged, published', async () => {
    await c.create('persistentvolumeclaims', {
      metadata: { name: 'data' },
      spec: {
        storageClassName: 'hostdir',
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' } },
      },
    });
    await user('writer', 'node-1', `echo first > /data/file; ${waiting}`, { securityContext: { fsGroup: 1234 } });
    await c.ready('writer', 90_000);
    const [id] = volumes();
    const file = join(data, id!, 'content/file');
    await eventually('the file', async () => readFileSync(file, 'utf8') === 'first\n');
    assert.equal((await c.exec('writer', 'stat -c %g /data')).trim(), '1234');
    const [attachment] = await attachments();
    assert.deepEqual([attachment.spec.nodeName, attachment.status.attached], ['node-1', true]);
    const name = `kubernetes.io/csi/${driver}^${id}`;
    const { volumesInUse, volumesAttached } = await statusOf('node-1');
    assert.deepEqual([volumesInUse, volumesAttached], [[name], [{ name, devicePath: '' }]]);
  });

  test('grows it under the pod', async () => {
    await c.patch('persistentvolumeclaims', 'data', { spec: { resources: { requests: { storage: '2Gi' } } } });
    const { status } = await eventually(
      'the new size',
      async () => {
        const now = await claim();
        return now.status.capacity.storage === '2Gi' && now;
      },
      120_000,
    );
    assert.deepEqual([status.conditions ?? [], status.allocatedResourceStatuses ?? {}], [[], {}]);
    assert.equal(JSON.parse(readFileSync(join(data, volumes()[0]!, 'meta.json'), 'utf8')).nodeBytes, 2 * 2 ** 30);
    const events = await c.events('writer');
    assert.ok(events.some(e => e.reason === 'FileSystemResizeSuccessful'));
  });

  test('tells how full it is', async () => {
    const summary = await c.ask('GET', '/api/v1/nodes/node-1/proxy/stats/summary');
    const [pod] = summary.pods.filter((p: any) => p.podRef.name === 'writer');
    const [volume] = pod.volume;
    assert.deepEqual([volume.pvcRef, volume.usedBytes], [{ name: 'data', namespace: 'csi' }, 1]);
    const { text } = await c.request('GET', '/api/v1/nodes/node-1/proxy/metrics');
    const capacity = /^kubelet_volume_stats_capacity_bytes\{[^}]*persistentvolumeclaim="data"[^}]*\} (.+)$/m.exec(
      text,
    )?.[1];
    assert.ok(Number(capacity) > 0, `${capacity}`);
  });

  test('moves with the pod to another node', async () => {
    await end('writer');
    await user('reader', 'node-2', `cat /data/file; ${waiting}`);
    await c.ready('reader', 90_000);
    await eventually('what it reads', async () => (await c.log('reader')) === 'first\n');
    assert.deepEqual(
      (await attachments()).map(a => a.spec.nodeName),
      ['node-2'],
    );
    await eventually('node-1 without it', async () => !(await statusOf('node-1')).volumesInUse?.length);
    const left = join(kubeletRoot('node-1'), 'plugins/kubernetes.io/csi', driver);
    assert.deepEqual(readdirSync(left), []);
  });

  test('is found again by a kubelet that starts anew, under pods that run on', async () => {
    const agent = async (): Promise<{ pid: number; state: string }> => {
      const { components } = JSON.parse(await lab.k8ts('status', '-o', 'json'));
      return components.find((x: { name: string }) => x.name === 'node-2');
    };
    const { pid } = await agent();
    process.kill(pid, 'SIGKILL');
    await eventually('another agent', async () => {
      const now = await agent();
      return now.pid !== pid && now.state === 'ready';
    });
    await eventually('the kubelet', async () => (await c.exec('reader', 'cat /data/file')) === 'first\n');
    assert.equal((await c.get('reader')).status?.containerStatuses?.[0]?.restartCount, 0);
    assert.ok(!(await c.events('reader')).some(e => e.reason === 'FailedMount'));
    await end('reader');
    await eventually('nothing in use', async () => !(await statusOf('node-2')).volumesInUse?.length, 60_000);
  });

  test('serves volumes of pods themselves', async () => {
    const volume = { name: 'data', csi: { driver, volumeAttributes: { a: 'b' } } };
    await user('own', 'node-2', `cat /data/pod; echo; ${waiting}`, { volumes: [volume] });
    await c.ready('own', 60_000);
    await eventually('the pod’s name', async () => (await c.log('own')) === 'own\n');
    assert.equal(readdirSync(data).length, 2);
    await end('own');
    assert.equal(readdirSync(data).length, 1);
  });

  test('removes it with its claim', async () => {
    const { volumeName } = (await claim()).spec;
    await c.delete('persistentvolumeclaims', 'data');
    await eventually(
      'the volume gone',
      async () => (await c.request('GET', `/api/v1/persistentvolumes/${volumeName}`)).code === 404,
      60_000,
    );
    assert.deepEqual(volumes(), []);
    await eventually('no attachment', async () => (await attachments()).length === 0);
  });

  test('leaves CSINode when it goes', async () => {
    const { name } = (await c.get('driver-node-2')).metadata;
    await end(name!);
    await eventually('no driver', async () => {
      const { spec } = await c.ask('GET', `${storage}/csinodes/node-2`);
      return !spec.drivers?.length;
    });
    assert.ok(!existsSync(join(kubeletRoot('node-2'), 'plugins_registry', `${driver}-reg.sock`)));
  });
});
