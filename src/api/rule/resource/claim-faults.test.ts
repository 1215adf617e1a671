// One fault each, and all that a client is told of it: what claims ask for, and what they are given.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext, update } from '../testing.ts';
import { poolStatusRequestStrategy } from './pool-status-request.ts';
import { resourceClaimStrategy } from './resource-claim.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const IDENTIFIER =
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
const NOT_NEGATIVE = 'must be greater than or equal to 0';
const AT_LEAST_ONE = 'must be greater than or equal to 1';
const repeated = <T>(count: number, item: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => item(i));
const keyed = (count: number): object => Object.fromEntries(repeated(count, i => [`k${i}`, '1']));

const claim = (devices: object, status: object = {}): any => ({
  metadata: { name: 'c', namespace: 'd' },
  spec: { devices },
  status,
});
const exactly = { deviceClassName: 'gpu.example.com', allocationMode: 'ExactCount', count: 1 };
const told = (devices: object): string[] => create(resourceClaimStrategy, claim(devices)).errors;
const asked = (more: object) => told({ requests: [{ name: 'r', exactly: { ...exactly, ...more } }] });
const configured = (opaque: object) => told({ requests: [{ name: 'r', exactly }], config: [{ opaque }] });
const constrained = (constraint: object) => told({ requests: [{ name: 'r', exactly }], constraints: [constraint] });
const REQUEST = 'spec.devices.requests[0].exactly';
const CONFIG = 'spec.devices.config[0].opaque';
const CONSTRAINT = 'spec.devices.constraints[0]';

test('of what a claim asks for', () => {
  const requests = repeated(33, i => ({ name: `r${i}`, exactly }));
  assert.deepEqual(told({ requests }), ['spec.devices.requests: Too many: 33: must have at most 32 items']);
  assert.deepEqual(asked({ count: -1 }), [`${REQUEST}.count: Invalid value: -1: must be greater than zero`]);
  assert.deepEqual(asked({ allocationMode: 'Some' }), [
    `${REQUEST}.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"`,
  ]);
  const expression = 'x'.repeat(10_241);
  assert.deepEqual(asked({ selectors: [{ cel: { expression } }] }), [
    `${REQUEST}.selectors[0].cel.expression: Too long: may not be more than 10240 bytes`,
  ]);
  assert.deepEqual(asked({ capacity: { requests: keyed(33) } }), [
    `${REQUEST}.capacity.requests: Too many: 33: must have at most 32 items`,
  ]);
  const capacity = (name: string) => asked({ capacity: { requests: { [name]: '1' } } });
  assert.deepEqual(capacity('1m'), [`${REQUEST}.capacity.requests: Invalid value: "1m": ${IDENTIFIER}`]);
  assert.match(
    capacity('a/b/c').join(),
    /^spec\.devices\.requests\[0\]\.exactly\.capacity\.requests: Invalid value: "a\/b\/c": /,
  );
  assert.deepEqual(capacity(''), [`${REQUEST}.capacity.requests: Required value`]);
  assert.deepEqual(capacity('x'.repeat(33)), [`${REQUEST}.capacity.requests: Too long: may not be more than 32 bytes`]);
  assert.deepEqual(capacity('A.b/m'), [`${REQUEST}.capacity.requests: Invalid value: "A.b": ${SUBDOMAIN}`]);
});

test('of what a request tolerates', () => {
  const tolerating = (more: object) => asked({ tolerations: [{ key: 'k', operator: 'Exists', ...more }] });
  const at = `${REQUEST}.tolerations[0]`;
  assert.deepEqual(tolerating({}), []);
  assert.deepEqual(tolerating({ key: 'a b' }), [`${at}.key: Invalid value: "a b": ${NAME_PART}`]);
  assert.deepEqual(tolerating({ value: 'v' }), [
    `${at}.value: Invalid value: "v": must be empty for operator \`Exists\``,
  ]);
  assert.deepEqual(tolerating({ key: '', operator: 'Equal' }), [
    `${at}.key: Required value: must be set for operator \`Equal\``,
  ]);
  assert.deepEqual(tolerating({ operator: 'Is' }), [
    `${at}.operator: Unsupported value: "Is": supported values: "Equal", "Exists"`,
  ]);
  assert.deepEqual(tolerating({ effect: 'Some' }), [
    `${at}.effect: Unsupported value: "Some": supported values: "NoExecute", "NoSchedule", "None"`,
  ]);
  assert.deepEqual(asked({ tolerations: repeated(17, () => ({ operator: 'Exists' })) }), [
    `${REQUEST}.tolerations: Too many: 17: must have at most 16 items`,
  ]);
});

test('of constraints and configurations', () => {
  assert.deepEqual(constrained({ matchAttribute: 'a.b/m', distinctAttribute: 'a.b/m' }), [
    `${CONSTRAINT}: Invalid value: "{\`matchAttribute\`, \`distinctAttribute\`}": exactly one of \`matchAttribute\` or \`distinctAttribute\` is required, but multiple fields are set`,
  ]);
  assert.deepEqual(constrained({ matchAttribute: '' }), [`${CONSTRAINT}.matchAttribute: Required value`]);
  assert.deepEqual(constrained({ distinctAttribute: 'm' }), [
    `${CONSTRAINT}.distinctAttribute: Invalid value: "m": must include a domain`,
  ]);
  const parameters = { a: 1 };
  // In letters of any size.
  assert.deepEqual(configured({ driver: 'D.example.com', parameters }), []);
  assert.deepEqual(configured({ driver: '', parameters }), [`${CONFIG}.driver: Required value`]);
  assert.deepEqual(configured({ driver: 'a_b', parameters }), [`${CONFIG}.driver: Invalid value: "a_b": ${SUBDOMAIN}`]);
  assert.deepEqual(configured({ driver: 'a'.repeat(64), parameters }), [
    `${CONFIG}.driver: Too long: may not be more than 63 bytes`,
  ]);
  assert.deepEqual(configured({ driver: 'd' }), [`${CONFIG}.parameters: Required value`]);
  assert.deepEqual(configured({ driver: 'd', parameters: { a: 'x'.repeat(10_240) } }), [
    `${CONFIG}.parameters: Too long: may not be more than 10240 bytes`,
  ]);
});

const requests = [{ name: 'r', exactly }];
const id = { driver: 'd', pool: 'p', device: 'x' };
const result = { request: 'r', ...id };
const given = (status: object): string[] =>
  update(resourceClaimStrategy, claim({ requests }, status), claim({ requests }), ruleContext('status')).errors;
const allocated = (devices: object) => given({ allocation: { devices } });
const ALLOCATED = 'status.allocation.devices';

test('of what a claim is given', () => {
  const results = (more: object) => allocated({ results: [{ ...result, ...more }] });
  const config = (more: object) =>
    allocated({
      results: [result],
      config: [{ source: 'FromClaim', opaque: { driver: 'd', parameters: {} }, ...more }],
    });
  assert.deepEqual(config({}), []);
  assert.deepEqual(config({ source: '' }), [`${ALLOCATED}.config[0].source: Required value`]);
  assert.deepEqual(config({ source: 'Some' }), [
    `${ALLOCATED}.config[0].source: Unsupported value: "Some": supported values: "FromClaim", "FromClass"`,
  ]);
  assert.deepEqual(config({ opaque: undefined }), [
    `${ALLOCATED}.config[0]: Required value: exactly one of \`opaque\` is required`,
  ]);
  assert.deepEqual(results({ driver: '' }), [`${ALLOCATED}.results[0].driver: Required value`]);
  assert.deepEqual(results({ device: '' }), [`${ALLOCATED}.results[0].device: Required value`]);
  assert.deepEqual(results({ pool: '' }), [`${ALLOCATED}.results[0].pool: Required value`]);
  assert.deepEqual(results({ pool: 'a/B' }), [`${ALLOCATED}.results[0].pool: Invalid value: "B": ${SUBDOMAIN}`]);
  assert.deepEqual(results({ pool: `${'a/'.repeat(126)}ab` }), [
    `${ALLOCATED}.results[0].pool: Too long: may not be more than 253 bytes`,
  ]);
  const reserved = (consumer: object) =>
    given({
      allocation: { devices: { results: [result] } },
      reservedFor: [{ resource: 'pods', name: 'p', uid: 'u', ...consumer }],
    });
  for (const field of ['resource', 'name', 'uid'])
    assert.deepEqual(reserved({ [field]: '' }), [`status.reservedFor[0].${field}: Required value`]);
});

test('of what drivers tell of devices', () => {
  const device = (more: object) =>
    given({ allocation: { devices: { results: [result] } }, devices: [{ ...id, ...more }] });
  const at = 'status.devices[0]';
  const condition = { status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
  assert.deepEqual(device({}), []);
  assert.deepEqual(device({ conditions: repeated(9, i => ({ ...condition, type: `T${i}` })) }), [
    `${at}.conditions: Too many: 9: must have at most 8 items`,
  ]);
  assert.deepEqual(device({ data: { a: 'x'.repeat(10_240) } }), [
    `${at}.data: Too long: may not be more than 10240 bytes`,
  ]);
  assert.deepEqual(device({ networkData: { interfaceName: 'x'.repeat(257) } }), [
    `${at}.networkData.interfaceName: Too long: may not be more than 256 bytes`,
  ]);
  assert.deepEqual(device({ networkData: { hardwareAddress: 'x'.repeat(129) } }), [
    `${at}.networkData.hardwareAddress: Too long: may not be more than 128 bytes`,
  ]);
});

test('of a question about pools and its answer', () => {
  const ask = (spec: object, status?: object): any => ({ metadata: { name: 'r' }, spec, status });
  const asking = (spec: object) => create(poolStatusRequestStrategy, ask(spec)).errors;
  assert.deepEqual(asking({ driver: 'd', limit: 0 }), [`spec.limit: Invalid value: 0: ${AT_LEAST_ONE}`]);
  const asked = create(poolStatusRequestStrategy, ask({ driver: 'd' })).object;
  const answer = (status: object) =>
    update(poolStatusRequestStrategy, ask({ driver: 'd' }, { poolCount: 1, ...status }), asked, ruleContext('status'))
      .errors;
  const pool = { driver: 'd', poolName: 'p', generation: 1 };
  const condition = { status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
  assert.deepEqual(answer({ pools: [pool] }), []);
  assert.deepEqual(answer({ poolCount: -1 }), [`status.poolCount: Invalid value: -1: ${NOT_NEGATIVE}`]);
  assert.deepEqual(answer({ pools: repeated(1001, () => pool) }), [
    'status.pools: Too many: 1001: must have at most 1000 items',
  ]);
  assert.deepEqual(answer({ conditions: repeated(11, i => ({ ...condition, type: `T${i}` })) }), [
    'status.conditions: Too many: 11: must have at most 10 items',
  ]);
  assert.deepEqual(answer({ pools: [{ ...pool, validationError: 'x'.repeat(257) }] }), [
    'status.pools[0].validationError: Too long: may not be more than 256 bytes',
  ]);
  assert.deepEqual(answer({ pools: [{ ...pool, nodeName: '' }] }), [
    `status.pools[0].nodeName: Invalid value: "": ${SUBDOMAIN}`,
  ]);
  assert.deepEqual(answer({ pools: [{ ...pool, generation: -1 }] }), [
    `status.pools[0].generation: Invalid value: -1: ${NOT_NEGATIVE}`,
  ]);
  assert.deepEqual(answer({ pools: [{ ...pool, resourceSliceCount: 0 }] }), [
    `status.pools[0].resourceSliceCount: Invalid value: 0: ${AT_LEAST_ONE}`,
  ]);
  assert.deepEqual(answer({ pools: [{ ...pool, poolName: '' }] }), ['status.pools[0].poolName: Required value']);
  // By apimachinery's functions for k8s-long-name-caseless and k8s-resource-pool-name.
  assert.deepEqual(asking({ driver: 'D_' }), [
    `spec.driver: Invalid value: "D_": an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
  ]);
  assert.deepEqual(asking({ driver: 'd', poolName: 'a//b' }), [
    'spec.poolName: Invalid value: "a//b": segment 1: must not be empty',
  ]);
  assert.deepEqual(asking({ driver: 'd', poolName: 'a/B' }), [
    `spec.poolName: Invalid value: "B": segment 1: ${SUBDOMAIN}`,
  ]);
  const long = 'a'.repeat(254);
  assert.deepEqual(asking({ driver: 'd', poolName: long }), [
    'spec.poolName: Too long: may not be more than 253 bytes',
    `spec.poolName: Invalid value: "${long}": segment 0: must be no more than 253 bytes`,
  ]);
});
