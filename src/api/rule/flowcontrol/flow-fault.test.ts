import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFaults, create, wording } from '../testing.ts';
import { flowSchemaStrategy } from './flow-schema.ts';
import { priorityLevelStrategy } from './priority-level.ts';

const metadata = { name: 'x' };

test('flow schemas', () => {
  const user = { kind: 'User', user: { name: 'u' } };
  const resourceRules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['a'] }];
  const from = (...subjects: object[]) => ({ rules: [{ subjects, resourceRules }] });
  const resource = (more: object) => ({
    rules: [{ subjects: [user], resourceRules: [{ ...resourceRules[0], ...more }] }],
  });
  const other = (more: object) => ({
    rules: [{ subjects: [user], nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/a'], ...more }] }],
  });
  const subject = 'spec.rules[0].subjects[0]';
  const rule = 'spec.rules[0].resourceRules[0]';
  checkFaults(
    {
      whole: [from(user)],
      'before all': [
        { matchingPrecedence: -1 },
        'spec.matchingPrecedence: Invalid value: -1: must be a positive value',
      ],
      'after all': [
        { matchingPrecedence: 10001 },
        'spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000',
      ],
      'as the exempt': [
        { matchingPrecedence: 1 },
        "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
      ],
      'no level': [
        { priorityLevelConfiguration: { name: '' } },
        'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
      ],
      level: [
        { priorityLevelConfiguration: { name: 'A' } },
        `spec.priorityLevelConfiguration.name: Invalid value: "A": ${wording.subdomain}`,
      ],
      'no subject': [from(), 'spec.rules[0].subjects: Required value: subjects must contain at least one value'],
      'no rule': [
        { rules: [{ subjects: [user] }] },
        'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
      ],
      'kind of subject': [
        from({ kind: 'Robot' }),
        `${subject}.kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"`,
      ],
      'subject of none': [
        from({ kind: 'Group' }),
        `${subject}.group: Required value: group is required when subject kind is 'Group'`,
      ],
      'subject of two kinds': [
        from({ ...user, group: { name: 'g' } }),
        `${subject}.group: Forbidden: group is forbidden when subject kind is not 'Group'`,
      ],
      'user without name': [from({ kind: 'User', user: { name: '' } }), `${subject}.user.name: Required value`],
      'account without name': [
        from({ kind: 'ServiceAccount', serviceAccount: { name: '', namespace: 'a' } }),
        `${subject}.serviceAccount.name: Required value`,
      ],
      'account without namespace': [
        from({ kind: 'ServiceAccount', serviceAccount: { name: 'a', namespace: '' } }),
        `${subject}.serviceAccount.namespace: Required value: must specify namespace for service account`,
      ],
      'no verb': [resource({ verbs: [] }), `${rule}.verbs: Required value: verbs must contain at least one value`],
      'all verbs and one': [
        resource({ verbs: ['*', 'get'] }),
        `${rule}.verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other verbs`,
      ],
      'no group': [
        resource({ apiGroups: [] }),
        `${rule}.apiGroups: Required value: resource rules must supply at least one api group`,
      ],
      'no resource': [
        resource({ resources: [] }),
        `${rule}.resources: Required value: resource rules must supply at least one resource`,
      ],
      'no namespace': [
        resource({ namespaces: [] }),
        `${rule}.namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace`,
      ],
      'no address': [
        other({ nonResourceURLs: [] }),
        'spec.rules[0].nonResourceRules[0].nonResourceURLs: Required value: nonResourceURLs must contain at least one value',
      ],
    },
    more =>
      create(flowSchemaStrategy, {
        metadata,
        spec: { matchingPrecedence: 5, priorityLevelConfiguration: { name: 'l' }, ...more },
      }).errors,
  );
});

test('priority levels', () => {
  const limited = (more: object) => ({ type: 'Limited', limited: { limitResponse: { type: 'Reject' }, ...more } });
  const queued = (queuing: object | undefined) => limited({ limitResponse: { type: 'Queue', queuing } });
  const response = 'spec.limited.limitResponse';
  const told = (spec: object, name = 'x') => create(priorityLevelStrategy, { metadata: { name }, spec }).errors;
  checkFaults(
    {
      whole: [queued({})],
      type: [{ type: 'Odd' }, 'spec.type: Unsupported value: "Odd": supported values: "Exempt", "Limited"'],
      exempt: [
        { type: 'Exempt' },
        "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if `name` is 'exempt'",
      ],
      'no limits': [{ type: 'Limited' }, 'spec.limited: Required value: must not be empty when type is Limited'],
      'limits and none': [{ ...limited({}), exempt: {} }, 'spec.exempt: Forbidden: must be nil if the type is Limited'],
      'fewer than no shares': [
        limited({ nominalConcurrencyShares: -1 }),
        'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      ],
      'more lent than there is': [
        limited({ lendablePercent: 101 }),
        'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
      ],
      'less borrowed than nothing': [
        limited({ borrowingLimitPercent: -1 }),
        'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
      ],
      response: [
        limited({ limitResponse: { type: 'Odd' } }),
        `${response}.type: Unsupported value: "Odd": supported values: "Queue", "Reject"`,
      ],
      'queues of who rejects': [
        limited({ limitResponse: { type: 'Reject', queuing: {} } }),
        `${response}.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited`,
      ],
      'no queues': [
        queued(undefined),
        `${response}.queuing: Required value: must not be empty if limited.limitResponse.type is Limited`,
      ],
      'length of queues': [
        queued({ queueLengthLimit: -1 }),
        `${response}.queuing.queueLengthLimit: Invalid value: -1: must be positive`,
      ],
      'fewer than no queues': [
        queued({ queues: -1, handSize: 1 }),
        `${response}.queuing.queues: Invalid value: -1: must be positive`,
        `${response}.queuing.handSize: Invalid value: 1: should not be greater than queues (-1)`,
      ],
      'too many queues': [
        queued({ queues: 10_000_001, handSize: 1 }),
        `${response}.queuing.queues: Invalid value: 10000001: must not be greater than 10000000`,
      ],
      'hand of none': [queued({ handSize: -1 }), `${response}.queuing.handSize: Invalid value: -1: must be positive`],
      'hand of more than all': [
        queued({ queues: 2, handSize: 3 }),
        `${response}.queuing.handSize: Invalid value: 3: should not be greater than queues (2)`,
      ],
    },
    spec => told(spec),
  );
  assert.deepEqual(told({ type: 'Exempt', limited: limited({}).limited }, 'exempt').slice(-1), [
    'spec.limited: Forbidden: must be nil if the type is not Limited',
  ]);
});
