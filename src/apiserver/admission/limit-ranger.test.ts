import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes } from './admission.ts';
import { limitRanger } from './limit-ranger.ts';

interface Written {
  readonly resource?: 'pods' | 'persistentvolumeclaims';
  readonly subresource?: string;
  readonly old?: object;
}

/** The refusal of a write in a namespace with these ranges; `unheeded` when nobody looks at it. */
function refusal(ranges: readonly (readonly object[])[], object: object, written: Written = {}): string {
  const { resource = 'pods', subresource = '', old } = written;
  const snapshot = () => ({
    scan(_prefix: string, _from: undefined, each: (stored: object) => void) {
      for (const limits of ranges) each({ object: { spec: { limits } } });
    },
  });
  const plugin = limitRanger({ snapshot } as unknown as WatchCache);
  const attributes = {
    operation: old ? 'UPDATE' : 'CREATE',
    resource: builtinResources().byId(`/v1/${resource}`),
    subresource,
    namespace: 'ns',
    name: 'x',
    object,
    old,
  } as unknown as AdmissionAttributes;
  if (!plugin.handles(attributes)) return 'unheeded';
  plugin.mutate!(attributes);
  try {
    plugin.validate!(attributes);
    return '';
  } catch (error) {
    return (error as Error).message.replace(/^.* is forbidden: /, '');
  }
}

type Amounts = Readonly<Record<string, string>>;
const container = (requests?: Amounts, limits?: Amounts, name = 'c') => ({
  name,
  image: 'i',
  resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) },
});
const pod = (containers: object[], more: object = {}) => ({ metadata: {}, spec: { containers, ...more } });
const claim = (requests: Amounts, limits?: Amounts) => ({
  metadata: {},
  spec: { resources: { requests, ...(limits ? { limits } : {}) } },
});
const claims = { resource: 'persistentvolumeclaims' } as const;

test('what containers and pods must and may not is told in these words', () => {
  const min = { type: 'Container', min: { cpu: '100m' } };
  assert.equal(
    refusal([[min]], pod([container()])),
    'minimum cpu usage per Container is 100m.  No request is specified',
  );
  assert.equal(
    refusal([[min]], pod([container({ cpu: '50m' })])),
    'minimum cpu usage per Container is 100m, but request is 50m',
  );
  assert.equal(
    refusal([[min]], pod([container({ cpu: '100m' }, { cpu: '99m' })])),
    'minimum cpu usage per Container is 100m, but limit is 99m',
  );
  const max = { type: 'Pod', max: { memory: '1Gi' } };
  assert.equal(refusal([[max]], pod([container()])), 'maximum memory usage per Pod is 1Gi.  No limit is specified');
  const half = container({ memory: '600Mi' }, { memory: '600Mi' });
  assert.equal(refusal([[max]], pod([half, half])), 'maximum memory usage per Pod is 1Gi, but limit is 1200Mi');
  const ratio = { type: 'Container', maxLimitRequestRatio: { cpu: '2' } };
  const said = 'cpu max limit to request ratio per Container is 2, but';
  assert.equal(refusal([[ratio]], pod([container()])), `${said} no request is specified or request is 0`);
  assert.equal(refusal([[ratio]], pod([container({ cpu: '1' })])), `${said} no limit is specified or limit is 0`);
  assert.equal(refusal([[ratio]], pod([container({ cpu: '1' }, { cpu: '3' })])), `${said} provided ratio is 3.000000`);
  assert.equal(refusal([[ratio]], pod([container({ cpu: '1' }, { cpu: '2' })])), '');
});

test('each fault is told once, those of the first range at fault only', () => {
  const max = { type: 'Container', max: { cpu: '1', memory: '1Gi' } };
  const big = container({ cpu: '2' }, { cpu: '2', memory: '1Gi' });
  assert.equal(
    refusal([[max], [{ type: 'Container', max: { cpu: '500m' } }]], pod([big, { ...big, name: 'd' }])),
    'maximum cpu usage per Container is 1, but limit is 2',
  );
  assert.equal(
    refusal([[{ type: 'Container', min: { memory: '2Gi' } }, max]], pod([container({ cpu: '2', memory: '1Gi' })])),
    '[minimum memory usage per Container is 2Gi, but request is 1Gi, maximum cpu usage per Container is 1.  No limit is specified, maximum memory usage per Container is 1Gi.  No limit is specified]',
  );
});

test('a pod has what its containers, or it for all of them, state; its overhead is not theirs', () => {
  const max = [{ type: 'Pod', max: { cpu: '2' } }];
  const one = container({ cpu: '1' }, { cpu: '1' });
  const init = { initContainers: [container({ cpu: '3' }, { cpu: '3' }, 'i')] };
  assert.equal(refusal([max], pod([one], init)), 'maximum cpu usage per Pod is 2, but limit is 3');
  const resources = { requests: { cpu: '1' }, limits: { cpu: '4' } };
  assert.equal(refusal([max], pod([one], { resources })), 'maximum cpu usage per Pod is 2, but limit is 4');
  assert.equal(refusal([max], pod([one, { ...one, name: 'd' }], { overhead: { cpu: '1' } })), '');
});

test('claims are held by what they ask for', () => {
  const range = [[{ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } }]];
  assert.equal(
    refusal(range, claim({ storage: '512Mi' }), claims),
    'minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi',
  );
  assert.equal(
    refusal(range, claim({ storage: '3Gi' }), claims),
    'maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
  );
  assert.equal(
    refusal(range, claim({}), claims),
    '[minimum storage usage per PersistentVolumeClaim is 1Gi.  No request is specified, maximum storage usage per PersistentVolumeClaim is 2Gi.  No request is specified]',
  );
  // Nobody gives them limits.
  assert.equal(refusal(range, claim({ storage: '1Gi' }, { storage: '9Gi' }), claims), '');
});

test('what is written besides', () => {
  const range = [[{ type: 'Container', default: { cpu: '500m' }, max: { cpu: '1' } }]];
  const big = pod([container({ cpu: '2' }, { cpu: '2' })]);
  const old = { metadata: {}, spec: {} };
  assert.equal(refusal(range, big, { old }), 'unheeded');
  assert.match(refusal(range, big, { old, subresource: 'resize' }), /but limit is 2$/);
  // A resize fills in, too.
  const resized = pod([container({ cpu: '200m' })]);
  assert.equal(refusal(range, resized, { old, subresource: 'resize' }), '');
  assert.deepEqual(resized.spec.containers, [container({ cpu: '200m' }, { cpu: '500m' })]);
  const going = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const claimed = [[{ type: 'PersistentVolumeClaim', max: { storage: '1Gi' } }]];
  assert.match(refusal(claimed, claim({ storage: '2Gi' }), { ...claims, old }), /but request is 2Gi$/);
  assert.equal(refusal(claimed, claim({ storage: '2Gi' }), { ...claims, old: going }), 'unheeded');
  assert.equal(refusal(claimed, claim({ storage: '2Gi' }), { ...claims, old, subresource: 'status' }), 'unheeded');
});
