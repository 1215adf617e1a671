// Devices from slice to pod and back: API server, scheduler and the claims' controller together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, resourceV1 } from '../api/refs.ts';
import { createCluster, virtualClock } from './create-cluster.ts';

type Any = any;

const driver = 'gpu.example.com';

test('pods with a claim from a template get a device each, wait when there is none, and leave it to the next', async () => {
  const cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed: 5 });
  const client = cluster.client as Any;
  try {
    const nodes = await cluster.until(async () => {
      const { items } = await client.list(coreV1.nodes);
      return items.length === 2 && items.map((n: Any) => n.metadata.name);
    });
    const cel = { expression: `device.attributes["${driver}"].model == "large"` };
    await client.create(resourceV1.deviceclasses, {
      metadata: { name: 'gpu' },
      spec: { selectors: [{ cel }], extendedResourceName: 'example.com/gpu' },
    });
    const attributes = { model: { string: 'large' } };
    for (const nodeName of nodes)
      await client.create(resourceV1.resourceslices, {
        metadata: { name: `slice-${nodeName}` },
        spec: {
          driver,
          nodeName,
          pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
          devices: [
            { name: 'x', attributes },
            { name: 'small', attributes: { model: { string: 'small' } } },
          ],
        },
      });
    const namespace = 'default';
    await client.create(resourceV1.resourceclaimtemplates, {
      metadata: { namespace, name: 't' },
      spec: { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } } },
    });
    const resourceClaims = [{ name: 'gpu', resourceClaimTemplateName: 't' }];
    const pod = (name: string, more: object = { resourceClaims }, resources: object = { claims: [{ name: 'gpu' }] }) =>
      client.create(coreV1.pods, {
        metadata: { namespace, name },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'i', resources }], ...more },
      });
    const get = (name: string) => client.get(coreV1.pods, { namespace, name });
    await pod('a');
    await pod('b');
    await cluster.until(async () => (await get('a')).spec.nodeName && (await get('b')).spec.nodeName);
    const { items: claims } = await client.list(resourceV1.resourceclaims);
    assert.deepEqual(claims.map((c: Any) => c.status.allocation.devices.results[0].pool).sort(), [...nodes].sort());
    assert.deepEqual(claims[0].metadata.finalizers, ['resource.kubernetes.io/delete-protection']);
    await pod('waits', {}, { limits: { 'example.com/gpu': '1' } });
    const waiting = await cluster.until(async () =>
      (await get('waits')).status.conditions?.find((c: Any) => c.reason === 'Unschedulable'),
    );
    assert.match(waiting.message, /^0\/2 nodes are available: 2 cannot allocate all claims\./);
    await client.delete(coreV1.pods, { namespace, name: 'a' });
    const placed = await cluster.until(async () => {
      const now = await get('waits');
      return now.spec.nodeName && now;
    });
    const { resourceClaimName } = placed.status.extendedResourceClaimStatus;
    const made = await client.get(resourceV1.resourceclaims, { namespace, name: resourceClaimName });
    assert.equal(made.status.allocation.devices.results[0].device, 'x');
    await client.delete(coreV1.pods, { namespace, name: 'waits' });
    await client.delete(coreV1.pods, { namespace, name: 'b' });
    await cluster.until(async () => (await client.list(resourceV1.resourceclaims)).items.length === 0, '5m');
  } finally {
    await cluster.stop();
  }
});
