import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../../api/refs.ts';
import { schedulerBench, testNode, testPod } from '../../test-cluster.ts';

const zone = 'topology.kubernetes.io/zone';
const nodes = ['a', 'b', 'c'].map((n, i) => testNode(n, { labels: { [zone]: i < 2 ? 'z1' : 'z2' } }));
const term = (app: string, topologyKey = zone, more: object = {}) => ({
  topologyKey,
  labelSelector: { matchLabels: { app } },
  ...more,
});
const required = (kind: 'podAffinity' | 'podAntiAffinity', ...terms: object[]) => ({
  spec: { affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: terms } } },
});
const preferred = (kind: 'podAffinity' | 'podAntiAffinity', t: object) => ({
  spec: {
    affinity: { [kind]: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 50, podAffinityTerm: t }] } },
  },
});
const on = (node: string, name: string, app: string) => testPod(name, { labels: { app }, spec: { nodeName: node } });

test('affinity: beside its like, and the first of a group anywhere', async () => {
  await using b = await schedulerBench({ objects: nodes });
  const wanting = required('podAffinity', term('web'));
  assert.equal(await b.place(testPod('alone', wanting)), '');
  assert.match(b.condition('alone')!.message!, /3 node\(s\) didn't match pod affinity rules/);
  const first = await b.place(testPod('first', { labels: { app: 'web' }, ...wanting }));
  assert.notEqual(first, '');
  await b.settle();
  const inSameZone = (n: string) => (n === 'c') === (first === 'c') && n !== '';
  assert.ok(inSameZone(b.nodeOf('alone')), 'the one that waited follows');
});

test('anti-affinity binds both sides', async () => {
  await using b = await schedulerBench({ objects: [...nodes, on('a', 'web', 'web')] });
  assert.equal(
    await b.place(testPod('hermit', { labels: { app: 'hermit' }, ...required('podAntiAffinity', term('web')) })),
    'c',
  );
  assert.equal(await b.place(testPod('second', required('podAntiAffinity', term('web')))), 'c');
  b.client.set(coreV1.pods, on('c', 'other', 'web'));
  await b.settle();
  await b.place(testPod('third', required('podAntiAffinity', term('web'))));
  assert.match(b.condition('third')!.message!, /3 node\(s\) didn't match pod anti-affinity rules/);
  await b.place(testPod('web2', { labels: { app: 'web' }, spec: { nodeSelector: { 'kubernetes.io/hostname': 'c' } } }));
  assert.match(b.condition('web2')!.message!, /1 node\(s\) didn't satisfy existing pods anti-affinity rules/);
  b.client.remove(coreV1.pods, 'default/hermit');
  b.client.remove(coreV1.pods, 'default/second');
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('web2'), 'c');
});

test('terms reach into namespaces chosen by label', async () => {
  const ns = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'other', labels: { team: 'x' } } };
  const far = testPod('far', {
    labels: { app: 'db' },
    metadata: { namespace: 'other', labels: { app: 'db' } },
    spec: { nodeName: 'c' },
  });
  await using b = await schedulerBench({ objects: [...nodes, ns, far] });
  const near = (namespaceSelector: object) => required('podAffinity', term('db', zone, { namespaceSelector }));
  assert.equal(await b.place(testPod('p', near({ matchLabels: { team: 'x' } }))), 'c');
  assert.equal(await b.place(testPod('q', near({ matchLabels: { team: 'y' } }))), '');
  assert.equal(await b.place(testPod('r', near({}))), 'c');
});

test('preferences, its own and those of placed pods, decide between equals', async () => {
  for (let seed = 1; seed < 6; seed++) {
    await using b = await schedulerBench({ seed, objects: [...nodes, on('c', 'db', 'db')] });
    assert.equal(await b.place(testPod('p', preferred('podAffinity', term('db')))), 'c');
    assert.notEqual(await b.place(testPod('q', preferred('podAntiAffinity', term('db')))), 'c');
  }
});

test('a topology key that every JavaScript object knows is a label like any other', async () => {
  const key = 'constructor';
  await using b = await schedulerBench({ objects: [...nodes, on('a', 'web', 'web')] });
  const apart = required('podAntiAffinity', term('web', key));
  assert.notEqual(await b.place(testPod('apart', apart)), '', 'no node is in any domain');
  await b.place(testPod('beside', required('podAffinity', term('web', key))));
  assert.match(b.condition('beside')!.message!, /3 node\(s\) didn't match pod affinity rules/);
  const spread = { maxSkew: 1, topologyKey: key, whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} };
  await b.place(testPod('spread', { spec: { topologySpreadConstraints: [spread] } }));
  assert.match(
    b.condition('spread')!.message!,
    /3 node\(s\) didn't match pod topology spread constraints \(missing required label\)/,
  );
  b.client.set(coreV1.nodes, testNode('b', { labels: { [zone]: 'z1', [key]: 'x' } }));
  await b.settle();
  assert.equal(b.nodeOf('spread'), 'b');
  const owner = { apiVersion: 'example.com/v1', kind: key, name: 'o', uid: 'u', controller: true };
  assert.notEqual(await b.place(testPod('owned', { metadata: { ownerReferences: [owner] } })), '');
});
