import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largePod } from '../../bench/large-pod.ts';
import { markCanonical } from '../api/canonical-part.ts';
import type { KubeObject } from '../api/meta.ts';
import { normalize } from '../api/normalize.ts';
import { encodeProtobuf } from '../api/protobuf.ts';
import { builtinResources } from '../api/resource.ts';
import { podStrategy } from '../api/rule/core/pod.ts';
import type { Strategy } from '../api/strategy.ts';
import { decodeDraft, draftFrom, targetOf } from './body.ts';
import { decodeYamlOrJson } from './body-format.ts';
import { patchOf } from './patch.ts';

const pods = builtinResources().byKind('v1', 'Pod')!;
const strategy = podStrategy as unknown as Strategy;
const options = { fieldValidation: 'Strict', warn: assert.fail } as const;

type Halves = KubeObject & { readonly spec: object; readonly status: { readonly phase?: string } };

const stored = () =>
  markCanonical(
    draftFrom(targetOf(pods), strategy, { ...largePod(), kind: 'Pod', apiVersion: 'v1' }, options),
  ) as unknown as Halves;

const running = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };

test("a patch of a pod's status leaves the spec the one that is stored", () => {
  const current = stored();
  const patch = (subresource: string) =>
    patchOf(pods, strategy, 'strategic', running, options, [], subresource)(current) as unknown as Halves;
  const [made, copied] = [patch('status'), patch('')];
  assert.equal(made.spec, current.spec);
  assert.notEqual(copied.spec, current.spec);
  assert.equal(made.status.phase, 'Running');
  assert.equal(JSON.stringify(made), JSON.stringify(copied));
});

test('a stored spec without a default of today is not completed in place', () => {
  const { spec, ...rest } = stored();
  const { dnsPolicy: _, ...older } = spec as { dnsPolicy?: string };
  const current = markCanonical({ ...rest, spec: older }) as KubeObject;
  const made = patchOf(pods, strategy, 'merge', running, options, [], 'status')(current) as unknown as Halves;
  assert.equal(made.spec, older);
  assert.ok(!('dnsPolicy' in older));
});

test('a patch of the status that changes the spec too is looked at as a whole', () => {
  const patch = { ...running, spec: { containers: [{ name: 'main', image: 5 }] } };
  assert.throws(() => patchOf(pods, strategy, 'strategic', patch, options, [], 'status')(stored()), {
    code: 422,
  });
});

test('what protobuf was read into is the draft', () => {
  const object = normalize(pods.typeName, { ...largePod(), kind: 'Pod', apiVersion: 'v1' }) as KubeObject;
  const type = 'application/vnd.kubernetes.protobuf';
  const { value, ...given } = decodeYamlOrJson(encodeProtobuf(pods.typeName, object), type);
  assert.equal(draftFrom(targetOf(pods), strategy, value, options, given), value);
  const json = JSON.stringify(object);
  assert.equal(
    JSON.stringify(decodeDraft(targetOf(pods), strategy, encodeProtobuf(pods.typeName, object), type, options)),
    JSON.stringify(decodeDraft(targetOf(pods), strategy, Buffer.from(json), 'application/json', options)),
  );
});
