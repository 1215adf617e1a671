// Histories in which a client writes odd managedFields: what becomes of them, and of the next apply.
import type { Json } from './test-caller.ts';
import type { History, Step } from './test-step.ts';

const making: Step = { how: 'create', by: 'a', version: 'v1', body: { spec: { s: '1', n: 1 } } };
const applying: Step = { how: 'apply', by: 'y', version: 'v1', body: { spec: { s: '1' } } };

/** `entry`: a good one with other members. */
function oddities(group: string, entry: (more?: Json) => Json): readonly Json[][] {
  const fields = (fieldsV1: Json) => [entry({ fieldsV1 })];
  const without = (member: string) => {
    const { [member]: _, ...rest } = entry();
    return [rest];
  };
  return [
    ...['x'.repeat(128), 'x'.repeat(129), 'é'.repeat(65), 'a\u0001b', 'é\u0001', 'a\u0001b\u0002', ''].map(manager => [
      entry({ manager }),
    ]),
    ...['Delete', '', 'apply', 'Apply'].map(operation => [entry({ operation })]),
    ...['2020-01-01T00:00:00.5Z', '2020-01-01T02:00:00+02:00', null].map(time => [entry({ time })]),
    ...['', 'v1', `${group}/v2`, `${group}/v9`, 'a/b/c', 'apps/v1'].map(apiVersion => [entry({ apiVersion })]),
    ...['FieldsV2', ''].map(fieldsType => [entry({ fieldsType })]),
    ...['status', 'odd', 'x'.repeat(257)].map(subresource => [entry({ subresource })]),
    ...['manager', 'operation', 'apiVersion', 'time', 'fieldsType', 'fieldsV1'].map(without),
    ...[null, {}, [], 'x', { 'x:spec': {} }, { spec: {} }, { '': {} }, { 'f:': {} }, { '.': {} }, { 'i:x': {} }].map(
      fields,
    ),
    ...[3, null, { 'x:s': {} }, { 'x:s': {}, 'f:s': {} }, { '.': {}, 'f:s': {} }, { 'f:nope': {} }]
      .map(value => ({ 'f:spec': value }))
      .map(fields),
    fields({ 'f:spec': { 'f:set': { 'v:{': {} } } }),
    fields({ 'f:spec': { 'f:keyed': { 'k:{"k": "a"}': { '.': {} }, 'k:{"z":1,"k":"b"}': {} } } }),
    fields({ 'f:spec': { 'f:numbers': { 'v:1.0': {}, 'v:10': {}, 'v:"a\\u0041"': {} } } }),
    fields({ 'f:metadata': { 'f:name': {}, 'f:namespace': {}, 'f:uid': {}, 'f:managedFields': {} } }),
    fields({ 'f:apiVersion': {}, 'f:kind': {}, 'f:metadata': {} }),
    [entry(), entry({ fieldsV1: { 'f:spec': { 'f:n': {} } } })],
    [entry({ operation: 'Apply' }), entry({ operation: 'Apply', apiVersion: `${group}/v2` })],
    [entry({ time: '2021-01-01T00:00:00Z' }), entry({ manager: 'k' })],
    [entry(), {}],
    [{}, {}],
    [entry({ manager: 'k' }), entry({ manager: 'x'.repeat(129) })],
    Array.from({ length: 15 }, (_, i) => entry({ manager: `m${i}`, time: `20${10 + i}-01-01T00:00:00Z` })),
  ];
}

export function oddHistories(group: string): readonly History[] {
  const good = {
    manager: 'm',
    operation: 'Update',
    apiVersion: `${group}/v1`,
    time: '2020-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:s': {} } },
  };
  return oddities(group, more => ({ ...good, ...more })).flatMap((managedFields, i) => {
    const body = { metadata: { managedFields } };
    return [
      { seed: 2 * i, steps: [making, { ...making, how: 'edit', body }, applying] },
      { seed: 2 * i + 1, steps: [{ ...making, body: { ...making.body, ...body } }] },
    ];
  });
}
