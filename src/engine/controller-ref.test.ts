import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appsV1, coreV1 } from '../api/refs.ts';
import type { ReplicaSet } from '../api/type/apps-v1.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { fakeClient } from '../client/fake-client.ts';
import { claimObjects, controllerOf, controllerRef } from './controller-ref.ts';
import { Expectations } from './expectations.ts';
import { slowStartBatch } from './slow-start.ts';

const { pods } = coreV1;
const { replicasets } = appsV1;

function setUp() {
  const client = fakeClient();
  const owner = client.set<ReplicaSet>(replicasets, { metadata: { namespace: 'a', name: 'rs' } });
  const pod = (name: string, app: string, more: object = {}) =>
    client.set<Pod>(pods, { metadata: { namespace: 'a', name, labels: { app }, ...more } } as object);
  const claim = (as: ReplicaSet = owner, finalizers?: string[]) =>
    claimObjects(client.objects(pods), {
      client,
      owner: as,
      ownerResource: replicasets,
      resource: pods,
      matches: p => p.metadata.labels?.app === 'web',
      ...(finalizers ? { finalizers } : {}),
    });
  const names = async (claimed: Promise<Pod[]>) => (await claimed).map(p => p.metadata.name);
  const ownerOf = (name: string) => controllerOf(client.object(pods, `a/${name}`)!)?.uid;
  client.clearActions();
  return { client, owner, pod, claim, names, ownerOf };
}

describe('claiming objects', () => {
  it('keeps, adopts, releases and leaves alone', async () => {
    const { client, owner, pod, claim, names, ownerOf } = setUp();
    const mine = [controllerRef(owner, replicasets)];
    pod('mine', 'web', { ownerReferences: mine });
    pod('orphan', 'web');
    pod('stray', 'db', { ownerReferences: mine });
    pod('others', 'web', { ownerReferences: [{ ...mine[0]!, uid: 'other' }] });
    pod('unrelated', 'db');
    pod('dying', 'web', { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x'] });
    pod('elsewhere', 'web', { namespace: 'b' });
    assert.deepEqual(await names(claim()), ['mine', 'orphan']);
    assert.equal(ownerOf('orphan'), owner.metadata.uid);
    assert.equal(ownerOf('stray'), undefined);
    assert.equal(ownerOf('others'), 'other');
    assert.deepEqual(client.writes(), ['patch pods a/orphan', 'patch pods a/stray']);
    assert.equal(client.actions.filter(a => a.verb === 'get').length, 1, 'asks for the owner once');
  });

  it('adopts with finalizers', async () => {
    const { client, pod, claim } = setUp();
    pod('orphan', 'web', { finalizers: ['keep'] });
    await claim(undefined, ['batch.kubernetes.io/job-tracking']);
    const found = client.object(pods, 'a/orphan');
    assert.deepEqual(found?.metadata.finalizers?.toSorted(), ['batch.kubernetes.io/job-tracking', 'keep']);
  });

  it('does not adopt for an owner that is gone, replaced or dying', async () => {
    const { client, owner, pod, claim, names, ownerOf } = setUp();
    pod('orphan', 'web');
    const dying = { ...owner, metadata: { ...owner.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    assert.deepEqual(await names(claim(dying)), []);
    client.remove(replicasets, 'a/rs');
    await assert.rejects(claim(), /not found/);
    client.set(replicasets, { metadata: { namespace: 'a', name: 'rs' } });
    await assert.rejects(claim(), /^Error: original ReplicaSet a\/rs is gone: got uid .*, wanted /);
    assert.equal(ownerOf('orphan'), undefined);
  });

  it('does not mind objects that are gone meanwhile', async () => {
    const { client, owner, pod, names, claim } = setUp();
    pod('orphan', 'web');
    pod('stray', 'db', { ownerReferences: [controllerRef(owner, replicasets)] });
    client.react(a => {
      if (a.verb === 'patch') client.remove(pods, { namespace: a.namespace, name: a.name });
    });
    assert.deepEqual(await names(claim()), []);
  });
});

describe('expectations', () => {
  it('are satisfied by what is seen, or by time', async () => {
    const clock = new VirtualClock();
    const woken: [string, number][] = [];
    const e = new Expectations(clock, (key, ms) => woken.push([key, ms]));
    assert.equal(e.satisfied('k'), true);
    e.expectCreations('k', 2);
    e.creationObserved('k');
    await clock.advance(1000);
    assert.equal(e.satisfied('k'), false);
    // What came and went unseen brings no event: the key looks again by itself.
    assert.deepEqual(woken, [['k', 5 * 60_000 - 999]]);
    e.creationObserved('k');
    assert.equal(e.satisfied('k'), true);
    e.expectDeletions('k', ['u1', 'u2']);
    e.deletionObserved('k', 'u1');
    e.deletionObserved('k', 'u1');
    assert.equal(e.satisfied('k'), false, 'a deletion counts once');
    assert.deepEqual(e.pending('k'), { creations: 0, deletions: ['u2'] });
    await clock.advance(5 * 60_000 + 1);
    assert.equal(e.satisfied('k'), true);
    e.expectCreations('k', 1);
    assert.equal(e.satisfied('k'), false);
    e.forget('k');
    assert.equal(e.satisfied('k'), true);
  });
});

describe('slow start', () => {
  it('doubles, and stops at the first batch that fails', async () => {
    const tried: number[] = [];
    const failAt = (n: number) => async (i: number) => {
      tried.push(i);
      if (i === n) throw new Error(`failed ${i}`);
    };
    assert.deepEqual(await slowStartBatch(10, failAt(-1)), { successes: 10 });
    assert.equal(tried.splice(0).length, 10);
    const failed = await slowStartBatch(100, failAt(4));
    assert.equal(failed.successes, 6);
    assert.match(String(failed.error), /failed 4/);
    assert.deepEqual(tried.splice(0), [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await slowStartBatch(0, failAt(0)), { successes: 0 });
  });
});
