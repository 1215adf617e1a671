import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Deployment, ReplicaSet } from '../../../api/type/apps-v1.ts';
import { equalTemplates, splitSets } from './replica-sets.ts';
import { currentAnnotations, expendable, lastRevision, maxRevision, nextRevision, revisionOf } from './revision.ts';

const revision = 'deployment.kubernetes.io/revision';
const history = 'deployment.kubernetes.io/revision-history';
const deployment = (annotations: Record<string, string> = {}, spec: object = {}) =>
  ({ metadata: { name: 'd', annotations }, spec }) as unknown as Deployment;
const set = (name: string, annotations: Record<string, string> = {}, more: object = {}) =>
  ({
    metadata: { name, annotations, creationTimestamp: '2026-01-01T00:00:00Z', generation: 1 },
    spec: { replicas: 0 },
    status: { replicas: 0, observedGeneration: 1 },
    ...more,
  }) as unknown as ReplicaSet;

describe('revisions', () => {
  it('are read from annotations; what is no number does not count', () => {
    const sets = [
      set('a', { [revision]: '2' }),
      set('b', { [revision]: 'x' }),
      set('c'),
      set('d', { [revision]: '5' }),
    ];
    assert.deepEqual(sets.map(revisionOf), [2, undefined, 0, 5]);
    assert.equal(maxRevision(sets), 5);
    assert.equal(lastRevision(sets), 2);
    assert.equal(lastRevision([]), 0);
  });

  it('are exact to 64 bits, and what is beyond is no number', () => {
    const [large, larger] = ['3546343826724305832', '3546343826724305833'];
    const sets = [
      set('a', { [revision]: large }),
      set('b', { [revision]: larger }),
      set('c', { [revision]: `1${large}` }),
    ];
    assert.deepEqual(sets.map(revisionOf), [BigInt(large), BigInt(larger), undefined]);
    assert.equal(lastRevision(sets), BigInt(large));
    assert.equal(nextRevision(sets), 3546343826724305834n);
    assert.equal(nextRevision([]), 1);
    assert.deepEqual(
      expendable(deployment({}, { revisionHistoryLimit: 1 }), [sets[1]!, sets[0]!]).map(rs => rs.metadata.name),
      ['a'],
    );
    const once = currentAnnotations(deployment(), sets[0]!, nextRevision(sets));
    assert.deepEqual(once, { [revision]: '3546343826724305834', [history]: large });
  });

  it('move what was the revision into the history, when the ReplicaSet comes back', () => {
    const d = deployment({ team: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}', [revision]: '9' });
    const once = currentAnnotations(d, set('a', { [revision]: '1', own: 'y' }), 3);
    assert.deepEqual(once, { own: 'y', team: 'x', [revision]: '3', [history]: '1' });
    assert.equal(currentAnnotations(d, set('a', once), 7)[history], '1,3');
    assert.deepEqual(currentAnnotations(d, set('a', once), 3), once, 'nothing new');
    assert.equal(currentAnnotations(d, set('a', { [revision]: 'x' }), 3)[revision], 'x', 'left alone');
    assert.equal(currentAnnotations(deployment(), set('a'), 1)[history], undefined);
  });

  it('forget the oldest of a long history', () => {
    const long = Array.from({ length: 500 }, (_, i) => String(1000 + i)).join();
    const next = currentAnnotations(deployment(), set('a', { [revision]: '1500', [history]: long }), 1600)[history]!;
    assert.ok(next.length <= 2000);
    assert.ok(next.endsWith('1499,1500'));
  });
});

describe('old ReplicaSets', () => {
  it('go beyond the limit, lowest revision first, unless they have pods or are not up to date', () => {
    const d = deployment({}, { revisionHistoryLimit: 1 });
    const of = (...sets: ReplicaSet[]) => expendable(d, sets).map(rs => rs.metadata.name);
    const [one, two, three] = [1, 2, 3].map(n => set(`r${n}`, { [revision]: String(n) }));
    assert.deepEqual(of(three!, one!, two!), ['r1', 'r2']);
    assert.deepEqual(of(one!), []);
    const busy = { ...one!, status: { replicas: 1, observedGeneration: 1 } } as ReplicaSet;
    const behind = { ...two!, status: { replicas: 0, observedGeneration: 0 } } as ReplicaSet;
    assert.deepEqual(of(busy, two!, three!), ['r2']);
    assert.deepEqual(of(one!, behind, three!), ['r1']);
    assert.deepEqual(expendable(deployment(), [one!, two!]), [], 'no limit');
  });

  it('are all but the oldest one of the template', () => {
    const template = (image: string, labels: object = {}) => ({
      metadata: { labels },
      spec: { containers: [{ image }] },
    });
    const made = (name: string, image: string, at: number) =>
      set(
        name,
        {},
        {
          metadata: { name, creationTimestamp: `2026-01-01T00:00:0${at}Z` },
          spec: { replicas: 0, template: template(image, { 'pod-template-hash': name }) },
        },
      );
    const d = deployment({}, { template: template('i') });
    const { current, old } = splitSets(d, [made('late', 'i', 5), made('early', 'i', 1), made('other', 'j', 0)]);
    assert.equal(current?.metadata.name, 'early');
    assert.deepEqual(
      old.map(rs => rs.metadata.name),
      ['late', 'other'],
    );
    assert.ok(equalTemplates(template('i', { 'pod-template-hash': 'x' }) as never, template('i') as never));
    assert.ok(!equalTemplates(template('i', { a: 'x' }) as never, template('i') as never));
  });
});
