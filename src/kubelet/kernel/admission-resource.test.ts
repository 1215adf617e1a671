import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { rejectionOf } from './admission.ts';

const allocatable = { cpu: '4', memory: '8Gi', pods: '10', 'ephemeral-storage': '1000', 'hugepages-2Mi': '4Mi' };
const gpu = 'example.com/gpu';

const pod = (uid: string, requests: Record<string, string>, more: object = {}): Pod =>
  ({
    metadata: { uid, name: uid },
    spec: { containers: [{ name: 'c', resources: { requests } }], ...more },
  }) as unknown as Pod;
const node = (extended: Record<string, string>) =>
  ({ metadata: { name: 'n' }, status: { allocatable: extended } }) as unknown as Node;

const refusal = (
  p: Pod,
  others: readonly Pod[],
  extended: Record<string, string> = {},
  heldDevices?: Record<string, number>,
) =>
  rejectionOf({
    ...{ pod: p, others, allocatable, node: node(extended), operatingSystem: 'linux' },
    ...(heldDevices ? { heldDevices } : {}),
  });

for (const [name, fits, extended] of [
  ['ephemeral-storage', '600', {}],
  ['hugepages-2Mi', '2Mi', {}],
  [gpu, '1', { [gpu]: '2' }],
] as const) {
  const bytes = name === 'hugepages-2Mi' ? 2 ** 21 : Number(fits);
  const capacity = name === 'hugepages-2Mi' ? 2 ** 22 : name === gpu ? 2 : 1000;
  test(`a pod that the node has no ${name} for is turned away`, () => {
    assert.equal(refusal(pod('a', { [name]: fits }), [], extended), undefined);
    const others = [pod('b', { [name]: fits }), pod('c', { [name]: fits })];
    assert.deepEqual(refusal(pod('a', { [name]: fits }), others, extended), {
      reason: `OutOf${name}`,
      message: `Pod was rejected: Node didn't have enough resource: ${name}, requested: ${bytes}, used: ${2 * bytes}, capacity: ${capacity}`,
    });
  });
}

test('extended resources that the node does not name belong to the cluster, none of it is none', () => {
  assert.equal(refusal(pod('a', { [gpu]: '5' }), []), undefined);
  assert.equal(refusal(pod('a', { [gpu]: '5' }), [], { [gpu]: '0' })?.reason, `OutOf${gpu}`);
});

test('devices that were given out count as there, though their plugin is away', () => {
  assert.equal(refusal(pod('a', { [gpu]: '1' }), [], { [gpu]: '0' }, { [gpu]: 1 }), undefined);
  assert.equal(refusal(pod('a', { [gpu]: '1' }), [pod('b', { [gpu]: '1' })], {}, { [gpu]: 1 })?.reason, `OutOf${gpu}`);
});

test('nobody gets what there is not', () => {
  const critical = pod('a', { 'ephemeral-storage': '5000' }, { priority: 2_000_001_000 });
  const metadata = { ...critical.metadata, annotations: { 'kubernetes.io/config.source': 'file' } };
  for (const p of [critical, { ...critical, metadata }]) assert.equal(refusal(p, [])?.reason, 'OutOfephemeral-storage');
});
