import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ruleContext } from '../testing.ts';
import { flowSchemaStrategy } from './flow-schema.ts';
import { priorityLevelStrategy } from './priority-level.ts';

const schemaOf = (rules: object, name = 'x') => ({
  metadata: { name },
  spec: { matchingPrecedence: 5, priorityLevelConfiguration: { name: 'l' }, rules: [rules] },
});
const subjects = [{ kind: 'User', user: { name: 'u' } }];
const resource = (more: object) => ({
  subjects,
  resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['a'], ...more }],
});
const other = (...nonResourceURLs: string[]) => ({ subjects, nonResourceRules: [{ verbs: ['*'], nonResourceURLs }] });
const wrong = (rules: object) => create(flowSchemaStrategy, schemaOf(rules)).errors;

test('rules name verbs, namespaces and accounts that can be', () => {
  assert.deepEqual(wrong(resource({ verbs: ['get', 'fetch'] })), [
    'spec.rules[0].resourceRules[0].verbs: Unsupported value: ["get","fetch"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
  ]);
  assert.deepEqual(wrong(resource({ verbs: ['*'], namespaces: ['*'] })), []);
  assert.match(
    wrong(resource({ namespaces: ['a', 'B'] }))[0]!,
    /^spec\.rules\[0\]\.resourceRules\[0\]\.namespaces\[1\]: Invalid value: "B": a lowercase RFC 1123 label/,
  );
  const account = (serviceAccount: object) =>
    wrong({ ...resource({}), subjects: [{ kind: 'ServiceAccount', serviceAccount }] });
  assert.deepEqual(account({ name: '*', namespace: 'a' }), []);
  const at = String.raw`^spec\.rules\[0\]\.subjects\[0\]\.serviceAccount\.`;
  assert.match(account({ name: 'A', namespace: 'a' })[0]!, new RegExp(`${at}name: Invalid value: "A": a lowercase`));
  assert.match(account({ name: 'a', namespace: 'A' })[0]!, new RegExp(`${at}namespace: Invalid value: "A": a lower`));
});

test('addresses that are no resources', () => {
  assert.deepEqual(wrong(other('/', '/a', '/a/*')), []);
  assert.deepEqual(wrong(other('*')), []);
  const faults: [string, string][] = [
    ['', 'must not be empty'],
    ['a', 'must start with slash'],
    ['/a b', 'must not contain white-space'],
    ['/a//b', 'must not contain double slash'],
    ['/a*', 'wildcard can only do suffix matching'],
    ['/*/*', 'wildcard can only do suffix matching'],
  ];
  for (const [url, why] of faults)
    assert.deepEqual(wrong(other(url)), [
      `spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: ${JSON.stringify(url)}: ${why}`,
    ]);
});

test('what is mandatory stays as it is', () => {
  const schema = create(flowSchemaStrategy, schemaOf(resource({}), 'catch-all')).errors;
  assert.match(schema[0]!, /^spec: Invalid value: \{.*\}: spec of 'catch-all' must equal the fixed value$/);
  const level = (name: string, spec: object) => create(priorityLevelStrategy, { metadata: { name }, spec }).errors;
  const limited = { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' } };
  assert.deepEqual(level('catch-all', { type: 'Limited', limited }), []);
  assert.match(
    level('catch-all', { type: 'Limited', limited: { ...limited, nominalConcurrencyShares: 6 } })[0]!,
    /spec of 'catch-all' must equal the fixed value$/,
  );
  assert.deepEqual(level('exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 3 } }), []);
});

test('a hand may not need more bits than a hash has', () => {
  const queuing = (queues: number, handSize: number) => ({
    metadata: { name: 'x' },
    spec: {
      type: 'Limited',
      limited: { limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 1 } } },
    },
  });
  assert.deepEqual(create(priorityLevelStrategy, queuing(512, 6)).errors, []);
  assert.deepEqual(create(priorityLevelStrategy, queuing(512, 8)).errors, [
    'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60',
  ]);
});

test('conditions have types, each once', () => {
  const status = { conditions: [{ type: 'A' }, { type: 'A' }, {}] };
  for (const strategy of [flowSchemaStrategy, priorityLevelStrategy]) {
    const object = { metadata: { name: 'x', resourceVersion: '1' }, spec: {}, status };
    const errors: string[] = [];
    strategy.validate!(object as never, { add() {}, ...collector(errors) } as never, ruleContext('status'));
    assert.deepEqual(errors, ['status.conditions[1].type', 'status.conditions[2].type']);
  }
});

const collector = (out: string[]) => ({
  duplicate: (at: object) => out.push(`${at}`),
  required: (at: object) => out.push(`${at}`),
});
