// Thousands of objects owned by one: what the garbage collector does for each is bounded, and so is what it keeps.
// `node test/simulation/owned-by-one.slow.test.ts 100000` does the same with a hundred thousand and prints what it took.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, createCluster, virtualClock } from '../../src/cluster/index.ts';

const namespace = 'default';
const many = Number(process.argv[2] ?? 3000);
const atOnce = 500;

for (const propagationPolicy of ['Background', 'Foreground', 'Orphan'] as const)
  test(`${many} objects of one owner, deleted with ${propagationPolicy}`, async () => {
    const cluster = await createCluster({
      ...{ clock: virtualClock(), seed: 1, components: ['controllers'] },
      controllers: ['garbage-collector-controller', 'namespace-controller'],
    });
    try {
      const { client } = cluster;
      const { uid } = (await client.create(coreV1.configmaps, { metadata: { name: 'owner', namespace } })).metadata;
      const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid, blockOwnerDeletion: true };
      const make = (i: number) =>
        client.create(coreV1.configmaps, { metadata: { name: `o${i}`, namespace, ownerReferences: [owner] } });
      for (let i = 0; i < many; i += atOnce)
        await Promise.all(Array.from({ length: Math.min(atOnce, many - i) }, (_, k) => make(i + k)));
      await cluster.advance('1m');
      const beganMs = performance.now();
      const heapBefore = process.memoryUsage().heapUsed;
      let calls = 0;
      const stop = cluster.faults.observe(() => calls++);
      await client.delete(coreV1.configmaps, { namespace, name: 'owner' }, { propagationPolicy });
      await cluster.advance('10m');
      stop();
      const left = (await client.list(coreV1.configmaps, { namespace })).items.filter(o =>
        /^o\d+$|^owner$/.test(o.metadata.name),
      );
      const orphans = left.filter(o => !o.metadata.ownerReferences?.length).length;
      assert.deepEqual([left.length, orphans], propagationPolicy === 'Orphan' ? [many, many] : [0, 0]);
      // One write each, and a few for the owner.
      assert.ok(calls >= many && calls <= many + 10, `${calls} writes for ${many} objects`);
      const growth = (process.memoryUsage().heapUsed - heapBefore) / many;
      assert.ok(growth < 20_000, `${Math.round(growth)} bytes more an object`);
      if (process.argv[2])
        console.log(`${propagationPolicy}: ${calls} writes, ${Math.round(performance.now() - beganMs)} ms`);
    } finally {
      await cluster.stop();
    }
  });
