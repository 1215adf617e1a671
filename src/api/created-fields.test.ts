import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { diffObjects } from './managed-fields.ts';
import type { KubeObject } from './meta.ts';
import { normalize } from './normalize.ts';
import { PartSharer } from './share.ts';

const typeName = 'io.k8s.api.core.v1.Pod';
const word = fc.constantFrom('a', 'b', 'c');
const words = fc.dictionary(word, word);
const variable = fc.record({ name: word, value: word }, { requiredKeys: ['name'] });
const container = fc.record(
  {
    name: word,
    image: word,
    env: fc.array(variable, { maxLength: 6 }),
    ports: fc.array(fc.record({ containerPort: fc.constantFrom(80, 81), protocol: fc.constantFrom('TCP', 'UDP') })),
    resources: fc.record({ limits: fc.dictionary(word, fc.constantFrom('1', '2')) }, { requiredKeys: [] }),
    securityContext: fc.constant({}),
  },
  { requiredKeys: ['name'] },
);
const pod = fc.record(
  {
    metadata: fc.record(
      { name: word, labels: words, annotations: words, finalizers: fc.uniqueArray(word) },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        containers: fc.array(container, { maxLength: 2 }),
        nodeName: word,
        nodeSelector: words,
        tolerations: fc.array(fc.record({ key: word })),
        volumes: fc.array(fc.record({ name: word, emptyDir: fc.constant({}) })),
      },
      { requiredKeys: [] },
    ),
    status: fc.constant({ phase: 'Pending' }),
  },
  { requiredKeys: ['metadata'] },
);

describe('the fields a create sets', () => {
  it('are those a comparison with nothing finds, whatever was made before', () => {
    const sharer = new PartSharer();
    const nothing = normalize(typeName, {}) as KubeObject;
    fc.assert(
      fc.property(pod, given => {
        const updated = normalize(typeName, given);
        sharer.adoptLists(updated);
        const update = { typeName, updated: updated as KubeObject, subresource: '' };
        const found = diffObjects({ ...update, old: undefined });
        // As text, for the order of fields counts.
        assert.equal(JSON.stringify(found), JSON.stringify(diffObjects({ ...update, old: nothing })));
      }),
      { numRuns: 500 },
    );
  });

  it('are one set for objects that differ in values only', () => {
    const made = (image: string) => {
      const updated = normalize(typeName, { metadata: { name: image }, spec: { containers: [{ name: 'c', image }] } });
      return diffObjects({ typeName, updated: updated as KubeObject, subresource: '', old: undefined }).changed;
    };
    assert.equal(made('x:1'), made('x:2'));
    assert.deepEqual(made('x:3'), {
      'f:spec': { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:image': {}, 'f:name': {}, 'f:resources': {} } } },
    });
  });
});
