import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { runControllers } from '../../engine/engine.ts';
import { createCluster, simulated, virtualClock } from '../create-cluster.ts';
import { localStorageController } from './local-storage.ts';
import { ensureLocalStorage } from './local-storage-setup.ts';
import { simulatedDirectories } from './volume-directories.ts';

test('a claim gets a volume on a simulated node, made with the rights of its own account', async () => {
  const cluster = await createCluster({ nodes: simulated(2), clock: virtualClock(), seed: 7 });
  const { client, clock } = cluster;
  const stop = new AbortController();
  const random = seededRandom(7);
  const informers = createInformerFactory(client, { clock, random, log: silentLog });
  const controller = localStorageController({ serves: () => true, directories: simulatedDirectories });
  await ensureLocalStorage(client);
  const engine = runControllers([controller], { client, informers, clock, random, log: silentLog }, stop.signal);
  const running = Promise.all([engine, informers.run(stop.signal)]);
  try {
    const namespace = 'default';
    await cluster.advance('5s');
    await client.create(coreV1.persistentvolumeclaims, {
      metadata: { name: 'data', namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
    await client.create(coreV1.pods, {
      metadata: { name: 'p', namespace },
      spec: {
        containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'd', mountPath: '/d' }] }],
        volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }],
      },
    });
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
  } finally {
    stop.abort();
    await running;
    await cluster.stop();
  }
});
