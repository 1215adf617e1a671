import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { runControllers } from '../../engine/engine.ts';
import { type Cluster, createCluster, simulated, virtualClock } from '../create-cluster.ts';
import { claimPlacementController } from './claim-placement.ts';
import { localStorageController } from './local-storage.ts';
import { ensureLocalStorage } from './local-storage-setup.ts';
import { simulatedDirectories } from './volume-directories.ts';

/** A cluster of two nodes whose storage the given ones serve. */
async function storageCluster(serves: (node: string) => boolean, work: (cluster: Cluster) => Promise<void>) {
  const cluster = await createCluster({ nodes: simulated(2), clock: virtualClock(), seed: 7 });
  const { client, clock } = cluster;
  const stop = new AbortController();
  const random = seededRandom(7);
  const informers = createInformerFactory(client, { clock, random, log: silentLog });
  const controllers = [
    localStorageController({ serves, directories: simulatedDirectories }),
    claimPlacementController(),
  ];
  await ensureLocalStorage(client);
  const engine = runControllers(controllers, { client, informers, clock, random, log: silentLog }, stop.signal);
  const running = Promise.all([engine, informers.run(stop.signal)]);
  try {
    await cluster.advance('5s');
    await work(cluster);
  } finally {
    stop.abort();
    await running;
    await cluster.stop();
  }
}

const namespace = 'default';
const claim = {
  metadata: { name: 'data', namespace },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const user = {
  metadata: { name: 'p', namespace },
  spec: {
    containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'd', mountPath: '/d' }] }],
    volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }],
  },
};

test('a claim gets a volume on a simulated node, made with the rights of its own account', async () => {
  await storageCluster(
    () => true,
    async cluster => {
      const { client } = cluster;
      await client.create(coreV1.persistentvolumeclaims, claim);
      await client.create(coreV1.pods, user);
      const pod = () => client.get(coreV1.pods, { namespace, name: 'p' });
      await cluster.until(async () => (await pod()).status?.phase === 'Running', '1m');
      const volumes = async () => (await client.list(coreV1.persistentvolumes)).items;
      const [volume] = await volumes();
      const node = (await pod()).spec.nodeName;
      const terms = volume?.spec?.nodeAffinity?.required?.nodeSelectorTerms;
      assert.deepEqual(terms?.[0]?.matchExpressions?.[0]?.values, [node]);
      await client.delete(coreV1.pods, { namespace, name: 'p' });
      await client.delete(coreV1.persistentvolumeclaims, { namespace, name: 'data' });
      await cluster.until(async () => (await volumes()).length === 0, '2m');
    },
  );
});

test('a pod whose node goes before its volume is there comes to another', async () => {
  await storageCluster(
    name => name === 'node-2',
    async cluster => {
      const { client } = cluster;
      const cordon = (unschedulable: boolean) =>
        client.patch(coreV1.nodes, { name: 'node-2' }, { type: 'merge', body: { spec: { unschedulable } } });
      await cordon(true);
      await client.create(coreV1.persistentvolumeclaims, claim);
      await client.create(coreV1.pods, user);
      const chosen = async () =>
        (await client.get(coreV1.persistentvolumeclaims, { namespace, name: 'data' })).metadata.annotations?.[
          'volume.kubernetes.io/selected-node'
        ];
      await cluster.until(async () => (await chosen()) === 'node-1', '1m');
      await cordon(false);
      cluster.faults.loseNode('node-1');
      await client.delete(coreV1.nodes, { name: 'node-1' });
      const pod = () => client.get(coreV1.pods, { namespace, name: 'p' });
      await cluster.until(async () => (await pod()).status?.phase === 'Running', '5m');
      assert.equal((await pod()).spec.nodeName, 'node-2');
      assert.equal(await chosen(), 'node-2');
    },
  );
});

test('a claim of a class that binds at once gets its volume before there is a pod', async () => {
  await storageCluster(
    () => true,
    async cluster => {
      const { client } = cluster;
      await client.create(storageV1.storageclasses, {
        ...{ metadata: { name: 'at-once' }, provisioner: 'k8ts.dev/local-path' },
      });
      const spec = { ...claim.spec, storageClassName: 'at-once' };
      await client.create(coreV1.persistentvolumeclaims, { ...claim, spec });
      const phase = async () =>
        (await client.get(coreV1.persistentvolumeclaims, { namespace, name: 'data' })).status?.phase;
      await cluster.until(async () => (await phase()) === 'Bound', '1m');
      await client.create(coreV1.pods, user);
      const pod = () => client.get(coreV1.pods, { namespace, name: 'p' });
      await cluster.until(async () => (await pod()).status?.phase === 'Running', '1m');
    },
  );
});
