import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceQuota } from '../type/core-v1.ts';
import { matchesScopes } from './scope.ts';
import type { Counted } from './usage.ts';

const kind = (resource: string, group = ''): Counted => ({ group, resource }) as Counted;
const container = { name: 'c', image: 'i' };
const requests = { resources: { requests: { cpu: '1' } } };
const term = (more: object = {}) => ({ topologyKey: 'zone', labelSelector: {}, ...more });
const affinity = (more: object) => ({
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, ...more }] } },
});

const objects: Record<string, [Counted, object]> = {
  plain: [kind('pods'), { spec: { containers: [container] } }],
  burstable: [kind('pods'), { spec: { containers: [{ ...container, ...requests }] } }],
  deadline: [kind('pods'), { spec: { containers: [container], activeDeadlineSeconds: 0 } }],
  high: [kind('pods'), { spec: { containers: [container], priorityClassName: 'high' } }],
  near: [kind('pods'), { spec: { containers: [container], ...affinity({ podAffinityTerm: term() }) } }],
  far: [
    kind('pods'),
    {
      spec: {
        containers: [container],
        affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({ namespaces: ['b'] })] } },
      },
    },
  ],
  anywhere: [
    kind('pods'),
    { spec: { containers: [container], ...affinity({ podAffinityTerm: term({ namespaceSelector: {} }) }) } },
  ],
  claim: [kind('persistentvolumeclaims'), { spec: {} }],
  gold: [kind('persistentvolumeclaims'), { spec: { volumeAttributesClassName: 'gold' } }],
  becoming: [
    kind('persistentvolumeclaims'),
    {
      spec: { volumeAttributesClassName: 'silver' },
      status: {
        currentVolumeAttributesClassName: 'silver',
        modifyVolumeStatus: { targetVolumeAttributesClassName: 'gold' },
      },
    },
  ],
  service: [kind('services'), { spec: {} }],
};
const pods = ['plain', 'burstable', 'deadline', 'high', 'near', 'far', 'anywhere'];
const claims = ['claim', 'gold', 'becoming'];

const counted = (spec: object) => {
  const quota = { spec } as ResourceQuota;
  return Object.keys(objects).filter(name => matchesScopes(quota, ...objects[name]!));
};
const where = (scopeName: string, operator: string, ...values: string[]) => ({
  scopeSelector: { matchExpressions: [{ scopeName, operator, ...(values.length ? { values } : {}) }] },
});
const without = (...names: string[]) => pods.filter(p => !names.includes(p));

test('a quota without scopes counts everything', () => {
  assert.deepEqual(counted({}), Object.keys(objects));
});

test('scopes of pods', () => {
  assert.deepEqual(counted({ scopes: ['Terminating'] }), ['deadline']);
  assert.deepEqual(counted({ scopes: ['NotTerminating'] }), without('deadline'));
  assert.deepEqual(counted({ scopes: ['BestEffort'] }), without('burstable'));
  assert.deepEqual(counted({ scopes: ['NotBestEffort'] }), ['burstable']);
  assert.deepEqual(counted({ scopes: ['CrossNamespacePodAffinity'] }), ['far', 'anywhere']);
  assert.deepEqual(counted({ scopes: ['PriorityClass'] }), ['high']);
  assert.deepEqual(counted({ scopes: ['BestEffort', 'Terminating'] }), ['deadline'], 'all of them');
  assert.deepEqual(counted({ scopes: ['BestEffort'], ...where('PriorityClass', 'In', 'high', 'low') }), ['high']);
});

test('a scope selector looks at the name of the class', () => {
  assert.deepEqual(counted(where('PriorityClass', 'In', 'low')), []);
  assert.deepEqual(counted(where('PriorityClass', 'NotIn', 'high')), without('high'));
  assert.deepEqual(counted(where('PriorityClass', 'Exists')), ['high']);
  assert.deepEqual(counted(where('PriorityClass', 'DoesNotExist')), without('high'));
});

test('claims have the class of their volume, the one they have and the one they shall have', () => {
  assert.deepEqual(counted({ scopes: ['VolumeAttributesClass'] }), ['gold', 'becoming']);
  assert.deepEqual(counted(where('VolumeAttributesClass', 'In', 'gold')), ['gold', 'becoming']);
  assert.deepEqual(counted(where('VolumeAttributesClass', 'In', 'silver')), ['becoming']);
  assert.deepEqual(counted(where('VolumeAttributesClass', 'DoesNotExist')), ['claim']);
  assert.deepEqual(counted(where('VolumeAttributesClass', 'NotIn', 'bronze')), claims);
});
