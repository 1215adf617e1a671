import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatefulSet } from '../../../api/type/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../../api/type/core-v1.ts';
import { isStale, wantedOwners } from './claim-owner.ts';
import { claimsFor, hasIdentity, isInRange, ordinalIn, withIdentity } from './identity.ts';
import { maxUnavailable } from './set-plan.ts';

const set = (spec: object = {}) =>
  ({
    metadata: { name: 'db', namespace: 'a', uid: 'set-uid' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'db' } },
      template: {},
      volumeClaimTemplates: [
        {
          metadata: { name: 'data', labels: { x: 'y' } },
          spec: { accessModes: ['ReadWriteOnce'] },
          status: { phase: 'Pending' },
        },
      ],
      ...spec,
    },
  }) as unknown as StatefulSet;
const pod = (name: string, more: object = {}) =>
  ({ metadata: { name, uid: `uid-${name}`, ...more }, spec: {} }) as unknown as Pod;

describe('identity', () => {
  it('reads ordinals from names of the set only', () => {
    const table: [string, number | undefined][] = [
      ['db-0', 0],
      ['db-12', 12],
      ['db-x', undefined],
      ['other-1', undefined],
      ['db-1-1', undefined],
      ['db', undefined],
    ];
    for (const [name, ordinal] of table) assert.equal(ordinalIn(set(), pod(name)), ordinal, name);
  });

  it('counts from the start ordinal', () => {
    const s = set({ ordinals: { start: 5 } });
    assert.deepEqual(
      [4, 5, 6, 7].map(n => isInRange(s, n)),
      [false, true, true, false],
    );
  });

  it('gives claims the labels of template and selector, and no status', () => {
    assert.deepEqual(claimsFor(set(), 3), [
      {
        metadata: { name: 'data-db-3', namespace: 'a', labels: { x: 'y', app: 'db' } },
        spec: { accessModes: ['ReadWriteOnce'] },
      },
    ]);
  });

  it('puts a name and volumes back where they are missing', () => {
    const bare = pod('db-1');
    assert.equal(hasIdentity(set(), bare, 1), false);
    const mended = withIdentity(set(), bare, 1) as Pod;
    assert.equal(hasIdentity(set(), mended, 1), true);
    assert.deepEqual(mended.spec.volumes, [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-1' } }]);
  });

  it('lets one more be unavailable than nothing', () => {
    const of = (replicas: number, amount: number | string) =>
      maxUnavailable(set({ replicas, updateStrategy: { rollingUpdate: { maxUnavailable: amount } } }));
    assert.deepEqual([of(10, '25%'), of(3, '10%'), of(5, 2)], [2, 1, 2]);
  });
});

describe('owners of claims', () => {
  const claim = (ownerReferences: object[] = []) =>
    ({ metadata: { name: 'data-db-0', ownerReferences } }) as unknown as PersistentVolumeClaim;
  const policy = (whenDeleted: string, whenScaled: string) =>
    set({ persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } });
  const bySet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    name: 'db',
    uid: 'set-uid',
    controller: true,
    blockOwnerDeletion: true,
  };
  const byPod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', name, uid: `uid-${name}` });

  it('are the set, the pod beyond the range, or nobody', () => {
    const table: [string, string, number, object[]][] = [
      ['Retain', 'Retain', 0, []],
      ['Retain', 'Retain', 9, []],
      ['Delete', 'Retain', 0, [bySet]],
      ['Delete', 'Retain', 9, [bySet]],
      ['Retain', 'Delete', 0, []],
      ['Retain', 'Delete', 9, [byPod('db-9')]],
      ['Delete', 'Delete', 0, [bySet]],
      ['Delete', 'Delete', 9, [byPod('db-9')]],
    ];
    for (const [deleted, scaled, ordinal, want] of table) {
      const s = policy(deleted, scaled);
      const p = pod(`db-${ordinal}`);
      const owners = (have: object[]) => wantedOwners(claim(have), s, p, ordinal) ?? have;
      assert.deepEqual(owners([]), want, `${deleted} ${scaled} ${ordinal}`);
      assert.deepEqual(owners([bySet]), want);
      assert.deepEqual(owners([byPod(`db-${ordinal}`)]), want);
    }
  });

  it('stay as they are where another controller has the claim', () => {
    const other = { apiVersion: 'x/v1', kind: 'X', name: 'x', uid: 'x', controller: true };
    assert.equal(wantedOwners(claim([other]), policy('Delete', 'Delete'), pod('db-0'), 0), undefined);
  });

  it('make a claim stale for the next pod of the name', () => {
    assert.equal(isStale(claim([byPod('db-0')]), policy('Retain', 'Delete'), 'db-0'), true);
    assert.equal(isStale(claim([byPod('db-0')]), policy('Retain', 'Retain'), 'db-0'), false);
    assert.equal(isStale(claim([bySet]), policy('Retain', 'Delete'), 'db-0'), false);
  });
});
