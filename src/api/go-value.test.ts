import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goNameOf, goValue } from './go-value.ts';

test('values as Go shows them', () => {
  assert.deepEqual(
    ['podIP', 'uid', 'apiVersion', 'identity'].map(name => goNameOf(name)),
    ['PodIP', 'UID', 'APIVersion', 'Identity'],
  );
  assert.equal(goValue('core.v1.Taint', undefined), null);
  assert.deepEqual(goValue('core.v1.Toleration', { key: 'k' }), {
    Key: 'k',
    Operator: '',
    Value: '',
    Effect: '',
    TolerationSeconds: null,
  });
  const selector = { nodeSelectorTerms: [{ matchFields: [{ key: 'k', operator: 'In' }], matchExpressions: null }] };
  assert.deepEqual(goValue('core.v1.VolumeNodeAffinity', { required: selector }), {
    Required: {
      NodeSelectorTerms: [{ MatchExpressions: null, MatchFields: [{ Key: 'k', Operator: 'In', Values: null }] }],
    },
  });
});
