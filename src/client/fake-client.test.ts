import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import { internalError, isExpired } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { settle, systemClock, VirtualClock } from '../base/clock.ts';
import { clientConformance } from './client-conformance.ts';
import { fakeClient } from './fake-client.ts';

clientConformance('fake', async () => ({ client: fakeClient([], { clock: systemClock }), cleanup() {} }));

describe('fake client', () => {
  it('keeps seeded status, drops it on create', async () => {
    const pod = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { namespace: 'a', name: 'p' },
      status: { phase: 'Running' },
    };
    const client = fakeClient([pod as object]);
    assert.equal(client.object(coreV1.pods, 'a/p')?.status?.phase, 'Running');
    const made = await client.create<Pod>(coreV1.pods, { ...pod, metadata: { namespace: 'a', name: 'q' } } as object);
    assert.equal(made.status?.phase, 'Pending');
  });

  it('lets placed pods end gracefully', async () => {
    const clock = new VirtualClock();
    const client = fakeClient([], { clock });
    client.set(coreV1.pods, { metadata: { namespace: 'a', name: 'p' }, spec: { nodeName: 'n' } } as object);
    await client.delete(coreV1.pods, { namespace: 'a', name: 'p' });
    const pod = client.object(coreV1.pods, 'a/p');
    assert.equal(pod?.metadata.deletionGracePeriodSeconds, 30);
    assert.equal(pod?.metadata.deletionTimestamp, '2026-01-01T00:00:30Z');
    await client.delete(coreV1.pods, { namespace: 'a', name: 'p' }, { gracePeriodSeconds: 0 });
    assert.equal(client.object(coreV1.pods, 'a/p'), undefined);
  });

  it('records, fails and forgets on demand', async () => {
    const client = fakeClient();
    client.failNext('create', appsV1.replicasets, internalError('boom'));
    const draft = { metadata: { namespace: 'a', name: 'r' } };
    await assert.rejects(client.create(appsV1.replicasets, draft), /boom/);
    await client.as({ userAgent: 'x', serviceAccount: 'y' }).create(appsV1.replicasets, draft);
    assert.deepEqual(client.writes(), ['create replicasets a/r', 'create replicasets a/r']);
    assert.equal(client.actions[1]!.serviceAccount, 'y');
    const from = client.resourceVersion;
    client.compact();
    let closed: Error | undefined;
    client.watch(
      appsV1.replicasets,
      { resourceVersion: from },
      {
        onEvent: () => assert.fail('no event'),
        onClose: error => {
          closed = error;
        },
      },
    );
    await settle();
    assert.ok(isExpired(closed));
  });

  it('hands out objects nobody can change', async () => {
    const client = fakeClient();
    const made = await client.create(coreV1.configmaps, { metadata: { namespace: 'a', name: 'c' } });
    assert.throws(() => {
      (made.metadata as { name: string }).name = 'x';
    }, TypeError);
  });
});
