// Who goes when a node lacks disk, files or processes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noCgroups } from './cgroup.ts';
import type { Signals } from './kernel/eviction.ts';
import { podNameLabel } from './kernel/label.ts';
import { startTestNode, type TestNode } from './test-node.ts';

const plenty = { available: 2 ** 33, capacity: 2 ** 33 };
const names = ['layer', 'logs', 'empty', 'memory', 'claim', 'quiet'];

/** Of these pods, the one that goes when the signal is met; `fill` makes them use something. */
async function victimOf(signal: string, fill: (t: TestNode, uids: Record<string, string>) => Promise<void>) {
  let lacking = false;
  let processes: (uid: string) => number = () => 1;
  const t = await startTestNode({
    evictionHard: { [signal]: '1Gi' },
    evictionSignals: async (): Promise<Signals> => ({ [signal]: lacking ? { ...plenty, available: 1 } : plenty }),
    cgroups: { ...noCgroups, processes: uid => processes(uid) },
  });
  try {
    const uids: Record<string, string> = {};
    const volumes = [
      { name: 'disk', emptyDir: {} },
      { name: 'ram', emptyDir: { medium: 'Memory' } },
    ];
    const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
    for (const name of names) {
      const containers = [{ name: 'c', image: 'example.com/app:1', volumeMounts }];
      const { metadata } = await t.createPod({ metadata: { name }, spec: { volumes, containers } });
      uids[name] = metadata.uid ?? '';
    }
    processes = uid => (uid === uids.quiet ? 900 : 1);
    await fill(t, uids);
    lacking = true;
    await t.pass(11_000);
    lacking = false;
    await t.pass(5000);
    const gone: string[] = [];
    for (const name of names) if ((await t.getPod(name)).status?.reason === 'Evicted') gone.push(name);
    const message = (await t.getPod(gone[0] ?? 'layer')).status?.message ?? '';
    return { gone, message: message.replace(/^.*?available: \S+ /, '') };
  } finally {
    await t.stop();
  }
}

const layer = (t: TestNode, of: string, what: 'used_bytes' | 'inodes_used', value: number) => {
  const list = t.runtime.ListContainerStats.bind(t.runtime);
  t.runtime.ListContainerStats = async (...args) => {
    const { stats = [] } = await list(...args);
    const isIt = (labels: Readonly<Record<string, string>> = {}) => labels[podNameLabel] === of;
    return {
      stats: stats.map(s => (isIt(s.attributes?.labels) ? { ...s, writable_layer: { [what]: { value } } } : s)),
    };
  };
};

const volumeOf = (uid: string, plugin: string, name: string) =>
  `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~${plugin}/${name}`;

test('of disk: layers, logs and volumes of their own, but nothing in memory or mounted from elsewhere', async () => {
  const fill = (sizes: Record<string, number>) => async (t: TestNode, uids: Record<string, string>) => {
    const { layer: inLayer = 0, logs = 0, empty = 0, memory = 0, claim = 0 } = sizes;
    layer(t, 'layer', 'used_bytes', inLayer);
    await t.host.writeFile(`/var/log/pods/default_logs_${uids.logs}/c/0.log`, 'x'.repeat(logs));
    await t.host.writeFile(`${volumeOf(uids.empty!, 'empty-dir', 'disk')}/f`, 'x'.repeat(empty));
    await t.host.writeFile(`${volumeOf(uids.memory!, 'empty-dir', 'ram')}/f`, 'x'.repeat(memory));
    const mount = `${volumeOf(uids.claim!, 'csi', 'pv')}/mount`;
    await t.host.makeDirectory(mount);
    await t.host.writeFile(`${mount}/f`, 'x'.repeat(claim));
  };
  const others = { layer: 1000, logs: 1000, empty: 1000 };
  assert.deepEqual(await victimOf('nodefs.available', fill({ ...others, layer: 2048 })), {
    gone: ['layer'],
    message: 'Container c was using 2Ki, request is 0, has larger consumption of ephemeral-storage. ',
  });
  assert.deepEqual((await victimOf('nodefs.available', fill({ ...others, logs: 2000 }))).gone, ['logs']);
  assert.deepEqual((await victimOf('nodefs.available', fill({ ...others, empty: 2000 }))).gone, ['empty']);
  const elsewhere = { ...others, layer: 1500, memory: 9000, claim: 9000 };
  assert.deepEqual((await victimOf('nodefs.available', fill(elsewhere))).gone, ['layer']);
});

test('of inodes: who has the most files', async () => {
  const found = await victimOf('nodefs.inodesFree', async (t, uids) => {
    layer(t, 'layer', 'inodes_used', 5);
    await t.host.writeFile(`${volumeOf(uids.logs!, 'empty-dir', 'disk')}/large`, 'x'.repeat(9000));
    for (let i = 0; i < 9; i++) await t.host.writeFile(`${volumeOf(uids.empty!, 'empty-dir', 'disk')}/f${i}`, '');
  });
  assert.deepEqual(found, { gone: ['empty'], message: '' });
});

test('of processes: who has the most of them', async () => {
  assert.deepEqual(await victimOf('pid.available', async () => {}), { gone: ['quiet'], message: '' });
});
