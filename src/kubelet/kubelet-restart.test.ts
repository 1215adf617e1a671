import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { startTestNode } from './test-node.ts';

const container = { name: 'app', image: 'example.com/app:1' };

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

test('a manifest that refers to objects of the API is not run', async () => {
  const t = await startTestNode({ staticPodPath: '/etc/kubernetes/manifests' });
  try {
    await t.host.makeDirectory('/etc/kubernetes/manifests');
    const manifest = (name: string, more: string) =>
      `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec:\n  containers: [{name: c, image: example.com/c:1${more}}]\n`;
    const plain = manifest('plain', '');
    const volumes = '  volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {name: b, path: p}}]}}]\n';
    await t.host.writeFile('/etc/kubernetes/manifests/a.yaml', plain);
    await t.host.writeFile('/etc/kubernetes/manifests/b.yaml', manifest('env', ', envFrom: [{secretRef: {name: s}}]'));
    await t.host.writeFile('/etc/kubernetes/manifests/c.yaml', `${manifest('bundle', '')}${volumes}`);
    await t.pass(30_000);
    const { items } = await t.client.list(coreV1.pods, {});
    assert.deepEqual(
      items.map(p => p.metadata.name),
      ['plain-node-a'],
    );
    assert.equal((await t.runtime.ListContainers({})).containers?.length, 1);
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

test('what containers make of the rights to their files is theirs, over restarts of the kubelet', async () => {
  const t = await startTestNode();
  try {
    const volumes = [
      { name: 'disk', emptyDir: {} },
      { name: 'ram', emptyDir: { medium: 'Memory' } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
    const { metadata } = await t.createPod({
      metadata: { name: 'keys' },
      spec: { securityContext: { fsGroup: 77 }, volumes, containers: [{ ...container, volumeMounts }] },
    });
    const at = (name: string) => `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/${name}`;
    const rights = async (name: string) => {
      const { gid, mode = 0 } = (await t.host.info(`${at(name)}/key`)) ?? {};
      return `${gid} ${mode.toString(8)}`;
    };
    assert.equal((await t.host.info(at('disk')))?.gid, 77);
    for (const { name } of volumes) await t.host.writeFile(`${at(name)}/key`, 'secret', { mode: 0o600 });
    await t.restart();
    await t.pass(20_000);
    assert.deepEqual([await rights('disk'), await rights('ram')], ['0 600', '0 600']);
    // As after a reboot: memory is empty, and mounted anew.
    await t.host.remove(at('ram'));
    await t.restart();
    await t.pass(20_000);
    assert.equal((await t.host.info(at('ram')))?.gid, 77);
    await t.deletePod('keys');
    await t.pass(2000);
    assert.deepEqual(await t.host.list('/var/lib/kubelet/pods'), []);
  } finally {
    await t.stop();
  }
});
