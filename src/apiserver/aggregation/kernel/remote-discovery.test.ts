import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregatedEntries, entriesOf } from './remote-discovery.ts';

const none = { group: '', version: '', kind: '' };

test('a list of resources becomes entries that say no more than it does', () => {
  const entries = aggregatedEntries({
    resources: [
      { name: 'zebras', singularName: 'zebra', namespaced: false, kind: 'Zebra', verbs: ['get'], categories: ['all'] },
      { name: 'ants/scale', namespaced: true, kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: ['get'] },
      { name: 'orphans/status', namespaced: true, kind: 'Orphan', verbs: ['get'] },
      { name: 'ants', namespaced: true, kind: 'Ant' },
    ],
  });
  assert.deepEqual(entries, [
    {
      resource: 'zebras',
      responseKind: { ...none, kind: 'Zebra' },
      scope: 'Cluster',
      singularResource: 'zebra',
      verbs: ['get'],
      categories: ['all'],
    },
    {
      resource: 'ants',
      responseKind: { ...none, kind: 'Ant' },
      scope: 'Namespaced',
      singularResource: '',
      verbs: null,
      subresources: [
        {
          subresource: 'scale',
          responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
          verbs: ['get'],
        },
      ],
    },
    {
      resource: 'orphans',
      responseKind: none,
      scope: 'Namespaced',
      singularResource: '',
      verbs: null,
      subresources: [{ subresource: 'status', responseKind: { ...none, kind: 'Orphan' }, verbs: ['get'] }],
    },
  ]);
  for (const odd of [null, {}, { resources: [null] }]) assert.deepEqual(aggregatedEntries(odd), []);
});

test('a server that tells of all its groups at once is believed', () => {
  const versions = [{ version: 'v1', resources: [{ resource: 'a' }] }, { version: 'v2' }];
  const document = { items: [{ metadata: { name: 'x.example' }, versions }] };
  const type = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  assert.deepEqual(entriesOf(type, document, 'x.example', 'v1'), [{ resource: 'a' }]);
  assert.deepEqual(entriesOf(type, document, 'x.example', 'v2'), []);
  assert.equal(entriesOf(type, document, 'x.example', 'v3'), undefined);
  assert.equal(entriesOf('application/json', document, 'x.example', 'v1'), undefined);
  assert.equal(entriesOf(type, null, 'x.example', 'v1'), undefined);
});
