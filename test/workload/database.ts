// A StatefulSet of etcd, each member with its own volume, through everything that makes its pods start again.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StatefulSet } from '../../src/api/type/apps-v1.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../src/api/type/core-v1.ts';
import { findProgram } from '../../src/cri/command.ts';
import { hostArchitecture, ociArchive } from '../../src/cri/oci-image.ts';
import { type ClusterAccess, conditionOf } from '../cluster-access.ts';
import { eventually, type Lab } from '../lab.ts';
import { appsPath, kubectl } from './objects.ts';

const image = 'k8ts.test/etcd:1';
const members = ['etcd-0', 'etcd-1', 'etcd-2'];

/** This machine's etcd with the libraries it names, on every node; false where the machine has none. */
export async function loadEtcd(lab: Lab): Promise<boolean> {
  const programs = ['etcd', 'etcdctl'].map(name => findProgram(name));
  if (programs.some(program => !program)) return false;
  const libraries = new Set<string>();
  for (const program of programs) {
    const { stdout } = await lab.run('ldd', [program!]);
    for (const [path] of stdout.matchAll(/\/\S+(?= \(0x)/g)) libraries.add(path);
  }
  const files = [
    { name: 'bin/' },
    ...programs.map(path => ({ name: `bin/${path!.split('/').at(-1)}`, content: readFileSync(path!), mode: 0o755 })),
    ...[...libraries].map(path => ({ name: path.slice(1), content: readFileSync(realpathSync(path)), mode: 0o755 })),
    { name: 'tmp/', mode: 0o1777 },
  ];
  const config = { Cmd: ['etcd'], Env: ['PATH=/bin', 'ETCDCTL_API=3'] };
  const archive = join(lab.home, 'etcd.tar');
  writeFileSync(archive, ociArchive({ reference: image, architecture: hostArchitecture(), files, config }));
  await lab.k8ts('image', 'load', archive);
  return true;
}

const podSpec = {
  terminationGracePeriodSeconds: 5,
  // Nobody in particular, who must be able to write all the same.
  securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
  containers: [
    {
      name: 'etcd',
      image,
      command: [
        ...['etcd', '--name=$(NAME)', '--data-dir=/data/etcd', '--initial-cluster-token=test', '--log-level=warn'],
        ...['--listen-client-urls=http://0.0.0.0:2379', '--listen-peer-urls=http://0.0.0.0:2380'],
        ...[
          '--advertise-client-urls=http://$(NAME).etcd:2379',
          '--initial-advertise-peer-urls=http://$(NAME).etcd:2380',
        ],
        `--initial-cluster=${members.map(name => `${name}=http://${name}.etcd:2380`).join()}`,
      ],
      env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      readinessProbe: { httpGet: { path: '/health', port: 2379 }, periodSeconds: 1 },
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    },
  ],
};

const statefulSet = {
  metadata: { name: 'etcd' },
  spec: {
    serviceName: 'etcd',
    replicas: 3,
    podManagementPolicy: 'Parallel',
    selector: { matchLabels: { app: 'etcd' } },
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
    template: { metadata: { labels: { app: 'etcd' } }, spec: podSpec },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '100Mi' } } },
      },
    ],
  },
};

/** Directories of volumes on the lab's nodes, whoever they belong to. */
function directories(lab: Lab, namespace: string): string[] {
  const base = join(process.env.K8TS_STATE_DIR ?? '/var/lib/k8ts', lab.name);
  return ['node-1', 'node-2'].flatMap(node => {
    const volumes = join(base, node, 'volumes');
    return existsSync(volumes) ? readdirSync(volumes).filter(name => name.includes(`_${namespace}_`)) : [];
  });
}

export function databaseTests(c: () => ClusterAccess, hasEtcd: () => boolean): void {
  const etcdctl = (pod: string, ...args: string[]) =>
    kubectl(c(), 'exec', pod, '-c', 'etcd', '--', 'etcdctl', '--endpoints=http://localhost:2379', ...args);
  const allReady = () =>
    eventually(
      'all of etcd',
      async () => {
        const { status } = await c().ask<StatefulSet>('GET', appsPath(c(), 'statefulsets', 'etcd'));
        return status?.readyReplicas === 3 && status.currentRevision === status.updateRevision;
      },
      60_000,
    );
  const claims = async () =>
    (await c().ask<{ items: PersistentVolumeClaim[] }>('GET', c().path('persistentvolumeclaims'))).items;
  const volumes = async () =>
    (await c().ask<{ items: PersistentVolume[] }>('GET', '/api/v1/persistentvolumes')).items.filter(
      v => v.spec?.claimRef?.namespace === c().namespace,
    );
  const read = async (from: string) =>
    (await etcdctl(from, 'get', '--prefix', 'key', '--print-value-only')).trim().split('\n');
  const back = (name: string, uid: string | undefined) =>
    c().when(name, 'back', p => p.metadata.uid !== uid && conditionOf(p, 'Ready')?.status === 'True');

  async function start(): Promise<void> {
    const ports = [
      { name: 'client', port: 2379 },
      { name: 'peer', port: 2380 },
    ];
    const spec = { clusterIP: 'None', publishNotReadyAddresses: true, selector: { app: 'etcd' }, ports };
    await c().create('services', { metadata: { name: 'etcd' }, spec });
    await c().ask('POST', appsPath(c(), 'statefulsets'), statefulSet);
    await allReady();
  }

  /** A pod of the set is ended; the others go on, and it comes back where its volume is. */
  async function lose(name: string, other: string, value: string): Promise<Pod> {
    const before = await c().get(name);
    await c().delete('pods', name);
    await etcdctl(other, 'put', `key-${value}`, value);
    const after = await back(name, before.metadata.uid);
    assert.equal(after.spec.nodeName, before.spec.nodeName);
    assert.ok((await read(name)).includes(value));
    return after;
  }

  /** Its node takes no pods: it waits rather than start elsewhere without its data. */
  async function waitForNode(name: string): Promise<void> {
    const before = await c().get(name);
    await kubectl(c(), 'cordon', before.spec.nodeName!);
    try {
      await c().delete('pods', name);
      const waiting = await c().when(
        name,
        'waiting for its node',
        p => p.metadata.uid !== before.metadata.uid && conditionOf(p, 'PodScheduled')?.status === 'False',
      );
      assert.match(
        conditionOf(waiting, 'PodScheduled')?.message ?? '',
        /^0\/2 nodes are available: 1 node\(s\) (didn't match PersistentVolume's node affinity|were unschedulable), 1 node\(s\) (didn't match PersistentVolume's node affinity|were unschedulable)\. /,
      );
    } finally {
      await kubectl(c(), 'uncordon', before.spec.nodeName!);
    }
    await back(name, before.metadata.uid);
  }

  test('etcd keeps its data while its pods start again, and its volumes go with it', async t => {
    if (!hasEtcd()) return t.skip('no etcd on this machine');
    await start();
    const bound = (await claims()).map(x => [x.metadata.name, x.spec?.storageClassName, x.status?.phase]);
    assert.deepEqual(
      bound.sort(),
      members.map(name => [`data-${name}`, 'standard', 'Bound']),
    );
    await etcdctl('etcd-0', 'put', 'key-first', 'first');
    await lose('etcd-1', 'etcd-0', 'second');
    await waitForNode('etcd-2');
    // All at once: what is left is what lies on the disks.
    await kubectl(c(), 'rollout', 'restart', 'statefulset/etcd');
    await kubectl(c(), 'rollout', 'status', 'statefulset/etcd', '--timeout=60s');
    await allReady();
    for (const name of members) assert.deepEqual(await read(name), ['first', 'second'], name);
    assert.equal((await claims()).length, 3);
    assert.equal(directories(c().lab, c().namespace).length, 3);
    await c().ask('DELETE', appsPath(c(), 'statefulsets', 'etcd'));
    await eventually('nothing left of etcd', async () => {
      const left = [...(await claims()), ...(await volumes()), ...directories(c().lab, c().namespace)];
      return left.length === 0;
    });
  });
}
