import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext, update } from '../testing.ts';
import { deviceClassStrategy, resourceSliceStrategy } from './device.ts';
import { deviceTaintRuleStrategy } from './device-taint.ts';
import { poolStatusRequestStrategy } from './pool-status-request.ts';
import { resourceClaimStrategy, resourceClaimTemplateStrategy } from './resource-claim.ts';

type Any = any;
const claim = (devices: object, status: object = {}): Any => ({
  metadata: { name: 'c', namespace: 'd' },
  spec: { devices },
  status,
});
const exactly = { deviceClassName: 'gpu.example.com' };
const faults = (errors: readonly string[]) => errors;

test('a claim asks for one device unless it says more', () => {
  const { object, errors } = create(
    resourceClaimStrategy,
    claim({ requests: [{ name: 'r', exactly }] }, { reservedFor: [] }),
  );
  assert.deepEqual(errors, []);
  const made = object as Any;
  assert.deepEqual(
    [made.spec.devices.requests[0].exactly.allocationMode, made.spec.devices.requests[0].exactly.count],
    ['ExactCount', 1],
  );
  assert.deepEqual(made.status, {});
});

test('what is wrong with requests, constraints and configurations is named', () => {
  const { errors } = create(
    resourceClaimStrategy,
    claim({
      requests: [
        { name: 'r', exactly },
        { name: 'r' },
        { name: 'Bad', exactly: { allocationMode: 'All', count: 2, selectors: [{}] } },
        { name: 'both', exactly, firstAvailable: [{ name: 's', ...exactly }] },
      ],
      constraints: [{ requests: ['none'], matchAttribute: 'model' }, {}],
      config: [{ requests: ['r'] }, { opaque: { driver: 'd.example.com', parameters: [1] } }],
    }),
  );
  assert.deepEqual(
    faults(errors).map(f => f.replace(/ \(e\.g\..*/, '')),
    [
      'spec.devices.requests[1]: Required value: exactly one of `exactly` or `firstAvailable` is required',
      'spec.devices.requests[1]: Duplicate value: "r"',
      `spec.devices.requests[2].name: Invalid value: "Bad": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character`,
      'spec.devices.requests[2].exactly.deviceClassName: Required value',
      'spec.devices.requests[2].exactly.selectors[0].cel: Required value',
      "spec.devices.requests[2].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
      'spec.devices.requests[3]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
      `spec.devices.constraints[0].requests[0]: Invalid value: "none": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'`,
      'spec.devices.constraints[0].matchAttribute: Invalid value: "model": must include a domain',
      'spec.devices.constraints[1]: Required value: exactly one of `matchAttribute` or `distinctAttribute` is required',
      'spec.devices.config[0]: Required value: exactly one of `opaque` is required',
      'spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": parameters must be a valid JSON object',
    ],
  );
});

test('a claim keeps its spec; what it was given stays until it is taken back', () => {
  const requests = [{ name: 'r', exactly: { ...exactly, allocationMode: 'ExactCount', count: 1 } }];
  const old = claim({ requests });
  const other = update(resourceClaimStrategy, claim({ requests: [] }), old);
  assert.match(faults(other.errors).join(), /^spec: Invalid value: .*field is immutable$/);
  const result = { request: 'r', driver: 'd.example.com', pool: 'p', device: 'x' };
  const allocation = { devices: { results: [result] } };
  const reserved = { reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] };
  const status = (now: object, before: object = {}) =>
    faults(
      update(resourceClaimStrategy, claim({ requests }, now), claim({ requests }, before), ruleContext('status'))
        .errors,
    );
  assert.deepEqual(status({ allocation, ...reserved }), []);
  assert.deepEqual(status(reserved), [
    'status.reservedFor: Forbidden: may not be specified when `allocated` is not set',
  ]);
  assert.match(
    status({ allocation: { devices: { results: [{ ...result, device: 'y' }] } } }, { allocation }).join(),
    /field is immutable/,
  );
  assert.match(
    status({ allocation: { devices: { results: [{ ...result, request: 'z' }] } } }).join(),
    /must be the name of a request/,
  );
  assert.deepEqual(status({}, { allocation }), []);
});

test('templates hold claims, classes select and configure', () => {
  const template: Any = {
    metadata: { name: 't', namespace: 'd' },
    spec: { spec: { devices: { requests: [{ name: 'r' }] } } },
  };
  assert.match(
    faults(create(resourceClaimTemplateStrategy, template).errors).join(),
    /^spec\.spec\.devices\.requests\[0\]: Required/,
  );
  const deviceClass: Any = { metadata: { name: 'c' }, spec: { selectors: [{ cel: { expression: '' } }] } };
  assert.deepEqual(faults(create(deviceClassStrategy, deviceClass).errors), [
    'spec.selectors[0].cel.expression: Required value',
  ]);
});

test('a slice says where its devices are and what they have', () => {
  const slice = (spec: object): Any => ({
    metadata: { name: 's' },
    spec: {
      driver: 'd.example.com',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      nodeName: 'n',
      ...spec,
    },
  });
  assert.deepEqual(
    create(resourceSliceStrategy, slice({ devices: [{ name: 'a', attributes: { model: { string: 'x' } } }] })).errors,
    [],
  );
  const { errors } = create(
    resourceSliceStrategy,
    slice({
      allNodes: true,
      pool: { name: 'p', generation: 1 },
      devices: [{ name: 'a', attributes: { m: {}, v: { version: '1' } }, nodeName: 'x' }, { name: 'a' }],
    }),
  );
  assert.deepEqual(
    faults(errors).map(f => f.replace(/Invalid value: \{.*?\}: |"\{.*?\}": /, '')),
    [
      'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
      'spec: Invalid value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
      'spec.devices[0].attributes[m]: Required value: exactly one value must be specified',
      'spec.devices[0].attributes[v].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
      'spec.devices[0].nodeName: Invalid value: "x": `nodeName` can only be set if `spec.perDeviceNodeSelection` is set to true',
      'spec.devices[1]: Duplicate value: "a"',
    ],
  );
  const moved = update(resourceSliceStrategy, slice({ nodeName: 'm', driver: 'e.example.com' }), slice({}));
  assert.deepEqual(faults(moved.errors), [
    'spec.driver: Invalid value: "e.example.com": field is immutable',
    'spec.nodeName: Invalid value: "m": field is immutable',
  ]);
});

const selecting = (expression: string) =>
  claim({ requests: [{ name: 'r', exactly: { ...exactly, selectors: [{ cel: { expression } }] } }] });

test('selectors are compiled, must give a bool, and must be affordable', () => {
  const at = 'spec.devices.requests[0].exactly.selectors[0].cel.expression';
  const check = (expression: string) => faults(create(resourceClaimStrategy, selecting(expression)).errors);
  assert.deepEqual(
    check('device.attributes["x.com"].model == "a" && device.capacity["x.com"].m.compareTo(quantity("1Gi")) > 0'),
    [],
  );
  assert.deepEqual(check('device.driver'), [
    `${at}: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string`,
  ]);
  assert.match(
    check('device.none == 1').join(),
    /Invalid value: "device\.none == 1": compilation failed: ERROR: <input>:1:7: undefined field 'none'/,
  );
  const all = (n: number): string => (n === 0 ? 'true' : `device.attributes.all(x${n}, ${all(n - 1)})`);
  assert.deepEqual(check(all(5)), [`${at}: Forbidden: too complex, exceeds cost limit`]);
});

test('shared devices, partitions and binding conditions are held to their rules', () => {
  const slice = (device: object, spec: object = {}): Any => ({
    metadata: { name: 's' },
    spec: {
      driver: 'd.example.com',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      nodeName: 'n',
      devices: [{ name: 'a', ...device }],
      ...spec,
    },
  });
  const check = (device: object, spec?: object) => faults(create(resourceSliceStrategy, slice(device, spec)).errors);
  const policy = (requestPolicy: object, allowMultipleAllocations = true) =>
    check({ allowMultipleAllocations, capacity: { m: { value: '10', requestPolicy } } }).map(f =>
      f.replace('spec.devices[0].capacity[m].requestPolicy', 'policy'),
    );
  assert.deepEqual(policy({ default: '2', validRange: { min: '2', max: '10', step: '4' } }), []);
  assert.deepEqual(policy({ default: '2' }, false), [
    'policy: Forbidden: allowed only when allowMultipleAllocations is true',
  ]);
  assert.deepEqual(policy({ validValues: ['3', '1', '20'] }), [
    'policy.default: Required value: required when validValues is defined',
    'policy.validValues[1]: Invalid value: "1": values must be sorted in ascending order',
    'policy.validValues[2]: Invalid value: "20": option is larger than capacity value: 10',
  ]);
  assert.deepEqual(policy({ default: '1', validRange: { min: '5', max: '3' } }), [
    'policy.validRange.min: Invalid value: "5": min is larger than max: 3',
    'policy.default: Invalid value: "1": default value is not valid according to the requestPolicy',
  ]);
  assert.deepEqual(check({ bindingConditions: ['a'], bindingFailureConditions: ['a'] }), [
    'spec.devices[0].bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions',
  ]);
  const counters = { memory: { value: '1' } };
  assert.deepEqual(
    check({
      consumesCounters: [
        { counterSet: 'c', counters },
        { counterSet: 'c', counters: {} },
      ],
    }),
    [
      'spec.devices[0].consumesCounters[1].counters: Required value',
      'spec.devices[0].consumesCounters[1]: Duplicate value: "c"',
    ],
  );
  assert.deepEqual(check({}, { devices: undefined, sharedCounters: [{ name: 'c', counters }] }), []);
  assert.match(check({}, { sharedCounters: [{ name: 'c', counters }] }).join(), /^spec: Invalid value: .*only one of/);
});

test('what drivers tell of devices is about devices that the claim has, and goes with them', () => {
  const requests = [{ name: 'r', exactly: { ...exactly, allocationMode: 'ExactCount', count: 1 } }];
  const result = { request: 'r', driver: 'd.example.com', pool: 'p', device: 'x' };
  const allocation = { devices: { results: [result] } };
  const { request: _, ...id } = result;
  const status = (now: object, before: object = {}, metadata: object = {}) => {
    const old = claim({ requests }, before);
    const next = claim({ requests }, now);
    return update(
      resourceClaimStrategy,
      { ...next, metadata: { ...next.metadata, ...metadata } },
      old,
      ruleContext('status'),
    );
  };
  assert.deepEqual(status({ allocation, devices: [id] }, { allocation }).errors, []);
  assert.deepEqual(status({ allocation, devices: [{ ...id, device: 'y' }] }).errors, [
    'status.devices[0]: Invalid value: "d.example.com/p/y": must be an allocated device in the claim',
  ]);
  assert.match(
    status({ allocation, devices: [{ ...id, networkData: { ips: ['10.0.0.1'] } }] }, { allocation }).errors.join(),
    /^status\.devices\[0\]\.networkData\.ips\[0\]: Invalid value: "10\.0\.0\.1"/,
  );
  // An address of an interface has bits beyond its network's.
  const told = { ...id, networkData: { ips: ['192.0.2.5/24', '2001:db8::5/64'] }, data: { a: 1 } };
  assert.deepEqual(status({ allocation, devices: [told] }, { allocation }).errors, []);
  const condition = { type: 'A', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
  assert.deepEqual(
    status({ allocation, devices: [{ ...id, data: [1], conditions: [condition] }] }, { allocation }).errors,
    [
      'status.devices[0].conditions[0].reason: Required value',
      'status.devices[0].data: Invalid value: "<value omitted>": must be a valid JSON object',
    ],
  );

  const gone = status({ devices: [id] }, { allocation, devices: [id] });
  assert.deepEqual([gone.errors, (gone.object as Any).status], [[], {}]);
  const reservedFor = [{ resource: 'pods', name: 'p', uid: 'u' }];
  assert.deepEqual(
    status({ allocation, reservedFor }, { allocation }, { deletionTimestamp: '2026-01-01T00:00:00Z' }).errors,
    [
      'status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
    ],
  );
  assert.deepEqual(status({ allocation: { devices: { results: [{ ...result, shareID: 'X' }] } } }).errors, [
    'status.allocation.devices.results[0].shareID: Invalid value: "X": must be a lowercase UUID in 8-4-4-4-12 format (e.g. 123e4567-e89b-12d3-a456-426614174000)',
  ]);
});

test('what belongs to a feature that is off is not written, unless it was there', () => {
  const off = ruleContext('', { DRAConsumableCapacity: false, DRADeviceTaints: false });
  const tolerations = [{ operator: 'Exists' }];
  const capacity = { requests: { m: '1' } };
  const asking = claim({ requests: [{ name: 'r', exactly: { ...exactly, tolerations, capacity } }] });
  const made = create(resourceClaimStrategy, asking, off).object as Any;
  assert.deepEqual(Object.keys(made.spec.devices.requests[0].exactly), ['deviceClassName', 'allocationMode', 'count']);
  const device = {
    name: 'a',
    allowMultipleAllocations: true,
    nodeAllocatableResourceMappings: {},
    taints: [{ key: 'k', effect: 'NoSchedule' }],
  };
  const slice: Any = {
    metadata: { name: 's' },
    spec: { driver: 'd', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n', devices: [device] },
  };
  assert.deepEqual((create(resourceSliceStrategy, slice, off).object as Any).spec.devices, [{ name: 'a' }]);
  const kept = update(resourceSliceStrategy, slice, slice, off).object as Any;
  assert.equal(kept.spec.devices[0].allowMultipleAllocations, true);
});

const taintRule = (taint: object, deviceSelector?: object): Any => ({
  metadata: { name: 'r' },
  spec: { taint, ...(deviceSelector ? { deviceSelector } : {}) },
});

test('a taint rule says when its effect began', () => {
  const at = (ms: number): Any => ({ ...ruleContext(), nowMs: ms });
  const time = (ms: number) => new Date(ms).toISOString().replace('.000', '');
  const none = create(deviceTaintRuleStrategy, taintRule({ key: 'k', effect: 'None' }), at(1000)).object as Any;
  assert.equal(none.spec.taint.timeAdded, time(1000));
  const become = (taint: object, ms = 5000) =>
    (update(deviceTaintRuleStrategy, taintRule({ ...none.spec.taint, ...taint }), none, at(ms)).object as Any).spec
      .taint;
  assert.equal(become({ value: 'v' }).timeAdded, time(1000));
  assert.equal(become({ effect: 'NoExecute' }).timeAdded, time(5000));
  assert.equal(become({ effect: 'NoExecute', timeAdded: time(3000) }).timeAdded, time(3000));
  assert.equal(become({ timeAdded: undefined }).timeAdded, time(5000));
});

test('what is wrong with a taint rule is named', () => {
  const wrong = taintRule(
    { key: '', value: '-', effect: 'PreferNoSchedule' },
    { driver: 'd_', pool: '', device: 'a.b' },
  );
  const { errors } = create(deviceTaintRuleStrategy, wrong);
  assert.deepEqual(
    errors.map(e => e.split(': ').slice(0, 2).join(': ')),
    [
      'spec.deviceSelector.driver: Invalid value',
      'spec.deviceSelector.pool: Required value',
      'spec.deviceSelector.device: Invalid value',
      'spec.taint.key: Required value',
      'spec.taint.value: Invalid value',
      'spec.taint.effect: Unsupported value',
    ],
  );
  const conditions = Array.from({ length: 9 }, (_, i) => ({
    ...{ type: `T${i}`, status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  }));
  const good = create(deviceTaintRuleStrategy, taintRule({ key: 'k', effect: 'None' }, {})).object as Any;
  assert.deepEqual(
    update(deviceTaintRuleStrategy, { ...good, status: { conditions } }, good, ruleContext('status')).errors,
    ['status.conditions: Too many: 9: must have at most 8 items'],
  );
});

test('taints of a slice say when they came', () => {
  const spec = {
    ...{ driver: 'd', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n' },
    devices: [{ name: 'x', taints: [{ key: 'k', effect: 'NoSchedule' }] }],
  };
  const made = create(resourceSliceStrategy, { metadata: { name: 's' }, spec }).object as Any;
  assert.equal(made.spec.devices[0].taints[0].timeAdded, '1970-01-01T00:00:00Z');
});

test('a question about pools stays as it was asked, and its answer as it was given', () => {
  const ask = (spec: object, status?: object): Any => ({
    metadata: { name: 'r' },
    spec,
    ...(status ? { status } : {}),
  });
  const asked = create(poolStatusRequestStrategy, ask({ driver: 'D.example' }, { poolCount: 1 })).object as Any;
  assert.equal(asked.status, undefined);
  assert.deepEqual(create(poolStatusRequestStrategy, ask({ driver: '', poolName: '', limit: 1001 })).errors, [
    'spec.driver: Required value',
    'spec.poolName: Invalid value: "": segment 0: must not be empty',
    'spec.limit: Invalid value: 1001: must be less than or equal to 1000',
  ]);
  assert.deepEqual(update(poolStatusRequestStrategy, ask({ driver: 'e' }), asked).errors, [
    'spec: Invalid value: {"driver":"e"}: field is immutable',
  ]);
  const answer = (now: object, old: Any) =>
    update(poolStatusRequestStrategy, ask(asked.spec, now), old, ruleContext('status')).errors;
  const pool = { driver: 'd', poolName: 'p', generation: 1, totalDevices: -1, resourceSliceCount: 0 };
  assert.deepEqual(answer({ pools: [pool] }, asked), [
    'status.poolCount: Required value',
    'status.pools[0].totalDevices: Invalid value: -1: must be greater than or equal to 0',
    'status.pools[0].resourceSliceCount: Invalid value: 0: must be greater than or equal to 1',
  ]);
  const answered = ask(asked.spec, { poolCount: 0 });
  assert.deepEqual(answer({ poolCount: 0 }, answered), []);
  assert.deepEqual(answer({ poolCount: 1 }, answered), ['status: Invalid value: {"poolCount":1}: field is immutable']);
});
