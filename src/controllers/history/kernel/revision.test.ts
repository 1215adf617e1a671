import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ControllerRevision } from '../../../api/type/apps-v1.ts';
import { byRevision, expendableRevisions, holdsTemplate, newRevision, nextNumber } from './revision.ts';

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const make = (collisionCount?: number) =>
  newRevision({
    owner: { metadata: { name: 'w', namespace: 'ns', annotations: { x: 'y' } } },
    ownerReference: { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'w', uid: 'u' },
    template: template as never,
    hashLabel: 'hash',
    revision: 4,
    collisionCount,
  });
const revision = (name: string, number: number | bigint, second = 0) =>
  ({ metadata: { name, creationTimestamp: `2026-01-01T00:00:0${second}Z` }, revision: number }) as ControllerRevision;
const names = (list: readonly ControllerRevision[]) => list.map(r => r.metadata.name);

describe('revisions', () => {
  it('are called after what they hold, and after the collision count', () => {
    const { metadata } = make();
    assert.equal(metadata!.name, `w-${metadata!.labels!.hash}`);
    assert.deepEqual(metadata!.annotations, { x: 'y' });
    assert.equal(metadata!.labels!.app, 'a');
    assert.equal(make().metadata!.name, metadata!.name);
    assert.notEqual(make(1).metadata!.name, metadata!.name);
  });

  it('know their template', () => {
    assert.ok(holdsTemplate(make(), template as never));
    assert.ok(!holdsTemplate(make(), { ...template, metadata: {} } as never));
    assert.ok(!holdsTemplate({}, template as never));
  });

  it('go by number, age and name', () => {
    const list = [revision('d', 2), revision('c', 1, 5), revision('b', 1, 3), revision('a', 1, 3)];
    assert.deepEqual(names(list.sort(byRevision)), ['a', 'b', 'c', 'd']);
    assert.equal(nextNumber(list), 3);
    assert.equal(nextNumber([]), 1);
    const [large, larger] = [revision('f', 2n ** 60n), revision('e', 2n ** 60n + 1n)];
    assert.deepEqual(names([larger, large].sort(byRevision)), ['f', 'e']);
    assert.equal(nextNumber([large, larger]), 2n ** 60n + 2n);
  });

  it('are given up from the oldest on', () => {
    const list = [revision('c', 3), revision('a', 1), revision('b', 2)];
    assert.deepEqual(names(expendableRevisions(list, 1)), ['a', 'b']);
    assert.deepEqual(names(expendableRevisions(list, 0)), ['a', 'b', 'c']);
    assert.deepEqual(names(expendableRevisions(list, 3)), []);
    assert.deepEqual(names(expendableRevisions(list, -1)), [], 'negative keeps all');
  });
});
