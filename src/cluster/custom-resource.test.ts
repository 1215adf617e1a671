// Custom resources among the controllers: namespaces take them along, owners too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { ref } from '../api/ref.ts';
import { apiextensionsV1, coreV1, createCluster, virtualClock } from './index.ts';

interface Gadget extends KubeObject {
  readonly spec?: { readonly size?: number };
}

const gadgets = ref<Gadget>('example.com', 'v1', 'gadgets', 'Gadget', true);

test('custom resources go with their namespace and with their owner', async () => {
  const cluster = await createCluster({ clock: virtualClock(), seed: 1 });
  try {
    const { client } = cluster;
    const groups = await client.raw('/apis');
    assert.equal(await client.raw('/apis'), groups, 'the same while nothing has changed');
    await client.create(apiextensionsV1.customresourcedefinitions, {
      metadata: { name: 'gadgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'gadgets', kind: 'Gadget' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: {
              openAPIV3Schema: {
                type: 'object',
                properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
              },
            },
          },
        ],
      },
    });
    await cluster.until(async () => {
      const crd = await client.get(apiextensionsV1.customresourcedefinitions, { name: 'gadgets.example.com' });
      return crd.status?.conditions?.some(c => c.type === 'Established' && c.status === 'True');
    });
    assert.notDeepEqual(await client.raw('/apis'), groups);
    const { resources } = (await client.raw('/apis/example.com/v1')) as { resources: { name: string }[] };
    assert.deepEqual(
      resources.map(r => r.name),
      ['gadgets'],
    );
    await client.create(coreV1.namespaces, { metadata: { name: 'doomed' } });
    await client.create(gadgets, { metadata: { name: 'g', namespace: 'doomed' }, spec: { size: 1 } });
    const owner = await client.create(coreV1.configmaps, { metadata: { name: 'owner', namespace: 'default' } });
    const { uid, name } = owner.metadata;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }];
    await client.create(gadgets, { metadata: { name: 'owned', namespace: 'default', ownerReferences } });
    const parent = await client.create(gadgets, { metadata: { name: 'parent', namespace: 'default' } });
    await client.create(coreV1.configmaps, {
      metadata: {
        name: 'child',
        namespace: 'default',
        ownerReferences: [{ apiVersion: 'example.com/v1', kind: 'Gadget', name: 'parent', uid: parent.metadata.uid }],
      },
    });
    // The collector looks for new kinds now and then.
    await cluster.advance('1m');

    await client.delete(coreV1.namespaces, { name: 'doomed' });
    await cluster.until(
      async () => !(await client.list(coreV1.namespaces)).items.some(n => n.metadata.name === 'doomed'),
      '5m',
    );
    const left = async () => (await client.list(gadgets)).items.map(g => g.metadata.name);
    assert.deepEqual(await left(), ['owned', 'parent']);

    await client.delete(coreV1.configmaps, { namespace: 'default', name: 'owner' });
    await cluster.until(async () => (await left()).length === 1, '5m');
    await client.delete(gadgets, { namespace: 'default', name: 'parent' }, { propagationPolicy: 'Foreground' });
    await cluster.until(async () => (await left()).length === 0, '5m');
    const maps = await client.list(coreV1.configmaps, { namespace: 'default' });
    assert.ok(!maps.items.some(m => m.metadata.name === 'child'));
  } finally {
    await cluster.stop();
  }
});
