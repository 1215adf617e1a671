// One fault each, and all that a client is told of it: devices, their parts, taints and classes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext, update } from '../testing.ts';
import { deviceClassStrategy, resourceSliceStrategy } from './device.ts';
import { deviceTaintRuleStrategy } from './device-taint.ts';
import { resourceClaimStrategy } from './resource-claim.ts';

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const NAME_PART =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const IMMUTABLE = 'field is immutable';
const repeated = <T>(count: number, item: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => item(i));
const keyed = <T>(count: number, item: T): Record<string, T> =>
  Object.fromEntries(repeated(count, i => [`k${i}`, item]));

const pool = { name: 'p', generation: 1, resourceSliceCount: 1 };
const slice = (spec: object): any => ({ metadata: { name: 's' }, spec: { driver: 'd', pool, nodeName: 'n', ...spec } });
const told = (spec: object): string[] => create(resourceSliceStrategy, slice(spec)).errors;
const device = (more: object): string[] => told({ devices: [{ name: 'a', ...more }] });
const D = 'spec.devices[0]';

test('of a slice', () => {
  assert.deepEqual(told({}), []);
  assert.deepEqual(told({ pool: { ...pool, generation: -1 } }), [
    'spec.pool.generation: Invalid value: -1: must be greater than or equal to zero',
  ]);
  assert.deepEqual(told({ nodeName: undefined }), [
    'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
  ]);
  const term = { matchExpressions: [{ key: 'k', operator: 'Exists' }] };
  const [two, ...others] = told({ nodeName: undefined, nodeSelector: { nodeSelectorTerms: [term, term] } });
  assert.match(
    two!,
    /^spec\.nodeSelector\.nodeSelectorTerms: Invalid value: \[.*\]: must have exactly one node selector term$/,
  );
  assert.deepEqual(others, []);
  const devices = (count: number, more: object) =>
    told({ devices: repeated(count, i => ({ name: `a${i}`, ...more })) });
  assert.deepEqual(devices(129, {}), ['spec.devices: Too many: 129: must have at most 128 items']);
  assert.deepEqual(devices(65, { taints: [{ key: 'k', effect: 'None' }] }), [
    'spec.devices: Too many: 65: must have at most 64 items',
  ]);
  const renamed = update(resourceSliceStrategy, slice({ pool: { ...pool, name: 'q' } }), slice({}));
  assert.deepEqual(renamed.errors, [`spec.pool.name: Invalid value: "q": ${IMMUTABLE}`]);
  assert.deepEqual(told({ driver: 'D' }), []);
});

test('of attributes and taints', () => {
  const attribute = (value: object) => device({ attributes: { m: value } });
  assert.deepEqual(attribute({ string: 'x'.repeat(65) }), [
    `${D}.attributes[m].string: Too long: may not be more than 64 bytes`,
  ]);
  const [both, ...others] = attribute({ string: 'x', int: 1 });
  assert.match(both!, /^spec\.devices\[0\]\.attributes\[m\]: Invalid value: .*: exactly one value must be specified$/);
  assert.deepEqual(others, []);
  assert.deepEqual(device({ attributes: keyed(33, { int: 1 }) }), [
    `${D}: Invalid value: 33: the total number of attributes and capacities must not exceed 32`,
  ]);
  const tainted = (taint: object) => device({ taints: [{ key: 'k', effect: 'NoSchedule', ...taint }] });
  assert.deepEqual(tainted({ key: '' }), [`${D}.taints[0].key: Required value`]);
  assert.deepEqual(tainted({ key: 'a b' }), [`${D}.taints[0].key: Invalid value: "a b": ${NAME_PART}`]);
  assert.deepEqual(tainted({ effect: '' }), [`${D}.taints[0].effect: Required value`]);
  assert.deepEqual(tainted({ effect: 'Some' }), [
    `${D}.taints[0].effect: Unsupported value: "Some": supported values: "NoExecute", "NoSchedule", "None"`,
  ]);
  const taints = repeated(17, i => ({ key: `k${i}`, effect: 'None' }));
  assert.deepEqual(device({ taints }), [`${D}.taints: Too many: 17: must have at most 16 items`]);
  const rule = { metadata: { name: 'r' }, spec: { taint: { key: 'a b', effect: 'None' } } };
  assert.deepEqual(create(deviceTaintRuleStrategy, rule).errors, [
    `spec.taint.key: Invalid value: "a b": ${NAME_PART}`,
  ]);
});

test('of counters and conditions', () => {
  const counters = { m: { value: '1' } };
  const shared = (set: object) => told({ sharedCounters: [{ name: 'c', counters, ...set }] });
  assert.deepEqual(shared({}), []);
  assert.deepEqual(shared({ name: '' }), ['spec.sharedCounters[0].name: Required value']);
  assert.deepEqual(shared({ counters: keyed(33, { value: '1' }) }), [
    'spec.sharedCounters[0].counters: Too many: 33: must have at most 32 items',
  ]);
  assert.deepEqual(shared({ counters: { M: { value: '1' } } }), [
    `spec.sharedCounters[0].counters: Invalid value: "M": ${LABEL}`,
  ]);
  assert.deepEqual(told({ sharedCounters: repeated(9, i => ({ name: `c${i}`, counters })) }), [
    'spec.sharedCounters: Too many: 9: must have at most 8 items',
  ]);
  const conditions = (bindingConditions?: string[], bindingFailureConditions?: string[]) =>
    device({ bindingConditions, bindingFailureConditions });
  assert.deepEqual(conditions(['a b'], ['c']), [`${D}.bindingConditions[0]: Invalid value: "a b": ${NAME_PART}`]);
  assert.deepEqual(conditions(['a']), [
    `${D}.bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions`,
  ]);
  assert.deepEqual(conditions(undefined, ['a']), [
    `${D}.bindingConditions: Invalid value: null: bindingConditions are required to use bindingFailureConditions`,
  ]);
  assert.deepEqual(conditions(['a', 'b', 'c', 'd', 'e'], ['f']), [
    `${D}.bindingConditions: Too many: 5: must have at most 4 items`,
  ]);
});

test('of how a capacity is shared', () => {
  const policy = (requestPolicy: object) =>
    device({ allowMultipleAllocations: true, capacity: { m: { value: '10', requestPolicy } } }).map(e =>
      e.replace(`${D}.capacity[m].requestPolicy`, 'policy'),
    );
  const NOT_VALID = 'default value is not valid according to the requestPolicy';
  assert.deepEqual(policy({ default: '1', validValues: ['1'], validRange: { min: '1' } }), [
    'policy: Forbidden: exactly one policy can be specified, cannot specify `validValues` and `validRange` at the same time',
  ]);
  assert.deepEqual(policy({ validRange: { min: '1' } }), [
    'policy.default: Required value: required when validRange is defined',
  ]);
  assert.deepEqual(policy({ default: '1', validRange: { max: '5' } }), [
    'policy.validRange.min: Required value: required when validRange is defined',
  ]);
  const validValues = repeated(11, i => `${i * 500}m`);
  assert.deepEqual(policy({ default: '1', validValues }), [
    'policy.validValues: Too many: 11: must have at most 10 items',
  ]);
  assert.deepEqual(policy({ default: '1', validValues: ['1', '1000m'] }), [
    'policy.validValues[1]: Duplicate value: "1"',
  ]);
  assert.deepEqual(policy({ default: '2', validValues: ['1'] }), [`policy.default: Invalid value: "2": ${NOT_VALID}`]);
  assert.deepEqual(policy({ default: '6', validRange: { min: '1', max: '5' } }), [
    `policy.default: Invalid value: "6": ${NOT_VALID}`,
  ]);
  assert.deepEqual(policy({ default: '1', validRange: { min: '1', step: '0' } }), [
    'policy.validRange.step: Invalid value: "0": must be greater than zero',
  ]);
  assert.deepEqual(policy({ default: '1', validRange: { min: '1', max: '4', step: '2' } }), [
    'policy.validRange.max: Invalid value: "4": must be a multiple of step: 2',
  ]);
  assert.deepEqual(policy({ default: '2', validRange: { min: '1', max: '5', step: '2' } }), [
    'policy.default: Invalid value: "2": must be a multiple of step: 2',
  ]);
  assert.deepEqual(policy({ default: '1', validRange: { min: '1', max: '11' } }), [
    'policy.validRange.max: Invalid value: "11": max is larger than capacity value: 10',
  ]);
  assert.deepEqual(policy({ default: '11' }), [
    'policy.default: Invalid value: "11": default is larger than capacity value: 10',
  ]);
});

test('of the name pods ask for a class by', () => {
  const named = (extendedResourceName: string) =>
    create(deviceClassStrategy, { metadata: { name: 'c' }, spec: { extendedResourceName } }).errors;
  assert.deepEqual(named('a.io/gpu'), []);
  // Those that apimachinery's ExtendedResourceName refuses.
  for (const name of [
    'gpu',
    'kubernetes.io/gpu',
    'x.kubernetes.io/gpu',
    'mykubernetes.io/gpu',
    'requests.a.io/gpu',
    'a.io/',
    'A.io/b',
  ])
    assert.deepEqual(named(name), [
      `spec.extendedResourceName: Invalid value: "${name}": must be a valid extended resource name`,
    ]);
});

test('what is not written of features that are off', () => {
  const conditions = { bindingConditions: ['a'], bindingFailureConditions: ['b'] };
  const made = (spec: object, gate: string): any =>
    create(resourceSliceStrategy, slice(spec), ruleContext('', { [gate]: false })).object.spec;
  const placed = { name: 'a', allNodes: true, consumesCounters: [] };
  const shared = { perDeviceNodeSelection: true, sharedCounters: [{ name: 'c', counters: {} }], devices: [placed] };
  const { perDeviceNodeSelection, sharedCounters, devices } = made(shared, 'DRAPartitionableDevices');
  assert.deepEqual([perDeviceNodeSelection, sharedCounters, devices], [undefined, undefined, [{ name: 'a' }]]);
  const bound = { devices: [{ name: 'a', bindsToNode: true, ...conditions }] };
  for (const gate of ['DRADeviceBindingConditions', 'DRAResourceClaimDeviceStatus'])
    assert.deepEqual(made(bound, gate).devices, [{ name: 'a' }]);
  const result = { request: 'r', driver: 'd', pool: 'p', device: 'x' };
  const allocation = {
    devices: { results: [{ ...result, ...conditions }] },
    allocationTimestamp: '2026-01-01T00:00:00Z',
  };
  const claim = (status: object): any => ({
    metadata: { name: 'c', namespace: 'd' },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'g' } }] } },
    status,
  });
  const off = ruleContext('status', { DRADeviceBindingConditions: false });
  const { object } = update(resourceClaimStrategy, claim({ allocation }), claim({}), off);
  assert.deepEqual(object.status?.allocation, { devices: { results: [result] } });
});
