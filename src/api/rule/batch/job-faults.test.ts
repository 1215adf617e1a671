// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors } from '../../field-error.ts';
import { cloneDeep } from '../../meta.ts';
import type { Job } from '../../type/batch-v1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { cronJobStrategy } from './cron-job.ts';
import { jobStrategy } from './job.ts';
import { countIndexes } from './job-policy.ts';

const pod = (spec: object = {}) => ({
  spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }], ...spec },
});
const metadata = { name: 'j', namespace: 'default', uid: 'u1' };
const job = (spec: object = {}, meta: object = metadata) => ({ metadata: meta, spec: { template: pod(), ...spec } });
const repeated = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const indexed = { completionMode: 'Indexed', completions: 5 };

const failed = (...rules: object[]) => ({ podFailurePolicy: { rules } });
const onCodes = (codes: object) => failed({ action: 'Ignore', onExitCodes: { operator: 'In', values: [1], ...codes } });
const onCondition = (...onPodConditions: object[]) => failed({ action: 'Ignore', onPodConditions });
const succeeded = (...rules: object[]) => ({ ...indexed, successPolicy: { rules } });
const DISRUPTED = { type: 'DisruptionTarget', status: 'True' };
const RULE = 'spec.podFailurePolicy.rules[0]';
const CODES = `${RULE}.onExitCodes`;
const CONDITIONS = `${RULE}.onPodConditions`;
const NAME_PART =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const MANY =
  'must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index';

const table: [spec: object, told: string[]][] = [
  [
    failed(...repeated(21, { action: 'Ignore', onPodConditions: [DISRUPTED] })),
    ['spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items'],
  ],
  [
    failed({ action: '', onPodConditions: [DISRUPTED] }),
    [`${RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`],
  ],
  [
    failed({ action: 'FailIndex', onPodConditions: [DISRUPTED] }),
    [`${RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`],
  ],
  [
    failed({ action: 'Fail', onPodConditions: [DISRUPTED] }),
    [`${RULE}.action: Unsupported value: "Fail": supported values: "Count", "FailIndex", "FailJob", "Ignore"`],
  ],
  [
    failed({ action: 'Ignore', onPodConditions: [DISRUPTED], onExitCodes: { operator: 'In', values: [1] } }),
    [`${RULE}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`],
  ],
  [
    failed({ action: 'Ignore' }),
    [`${RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`],
  ],
  [onCodes({ operator: '' }), [`${CODES}.operator: Required value: valid values: ["In" "NotIn"]`]],
  [onCodes({ operator: 'Is' }), [`${CODES}.operator: Unsupported value: "Is": supported values: "In", "NotIn"`]],
  [onCodes({ values: [] }), [`${CODES}.values: Invalid value: []: at least one value is required`]],
  [
    onCodes({ values: Array.from({ length: 256 }, (_, i) => i + 1) }),
    [`${CODES}.values: Too many: 256: must have at most 255 items`],
  ],
  [onCondition(...repeated(21, DISRUPTED)), [`${CONDITIONS}: Too many: 21: must have at most 20 items`]],
  [onCondition({ type: 'A b', status: 'True' }), [`${CONDITIONS}[0].type: Invalid value: "A b": ${NAME_PART}`]],
  [
    onCondition({ type: 'A', status: 'true' }),
    [`${CONDITIONS}[0].status: Unsupported value: "true": supported values: "False", "True", "Unknown"`],
  ],
  [
    succeeded(),
    [
      'spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified',
    ],
  ],
  [
    succeeded(...repeated(21, { succeededCount: 1 })),
    ['spec.successPolicy.rules: Too many: 21: must have at most 20 items'],
  ],
  [
    succeeded({}),
    [
      'spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified',
    ],
  ],
  [
    { ...succeeded({ succeededIndexes: `${'0'.repeat(65_536)}1` }) },
    ['spec.successPolicy.rules[0].succeededIndexes: Too long: may not be more than 65536 bytes'],
  ],
  [
    succeeded({ succeededIndexes: '0-1', succeededCount: 3 }),
    [
      'spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)',
    ],
  ],
  [
    succeeded({ succeededCount: -1 }),
    ['spec.successPolicy.rules[0].succeededCount: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    { ...indexed, maxFailedIndexes: 1 },
    ['spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified'],
  ],
  [{ managedBy: '' }, ['spec.managedBy: Required value']],
  [
    { managedBy: 'me' },
    ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [{ managedBy: `a.b/${'c'.repeat(60)}` }, ['spec.managedBy: Too long: may not be more than 63 bytes']],
  [
    { ...indexed, parallelism: 100_001 },
    ['spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed'],
  ],
  [
    { ...indexed, backoffLimitPerIndex: 1, maxFailedIndexes: 6 },
    ['spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions'],
  ],
  [
    { ...indexed, completions: 100_001, backoffLimitPerIndex: 1, parallelism: 1 },
    ['spec.maxFailedIndexes: Required value: must be specified when completions is above 100000'],
  ],
  [
    { ...indexed, completions: 100_001, backoffLimitPerIndex: 1, parallelism: 10_001, maxFailedIndexes: 1 },
    [`spec.parallelism: Invalid value: 10001: ${MANY}`],
  ],
  [
    { ...indexed, completions: 100_001, backoffLimitPerIndex: 1, parallelism: 1, maxFailedIndexes: 100_001 },
    [
      'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000',
      `spec.maxFailedIndexes: Invalid value: 100001: ${MANY}`,
    ],
  ],
  [
    { ...onCondition(DISRUPTED), template: pod({ restartPolicy: 'OnFailure' }) },
    [
      'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ],
  ],
  [
    { manualSelector: true, selector: { matchLabels: { a: 'b' } } },
    ['spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`'],
  ],
];
test('of a job', () => {
  for (const [spec, told] of table) assert.deepEqual(create(jobStrategy, job(spec)).errors, told);
});

test('success of a job that is not indexed', () => {
  const [told, ...others] = create(jobStrategy, job({ successPolicy: { rules: [{ succeededCount: 1 }] } })).errors;
  assert.match(told!, /^spec\.successPolicy: Invalid value: \{.*\}: requires indexed completion mode$/);
  assert.deepEqual(others, []);
});

test('an interval of three ends', () => {
  const why = "violates the requirement that an index interval can have at most two parts separated by '-'";
  assert.equal(countIndexes('0,1-2-3', 5), `the fragment "1-2-3" ${why}`);
});

test('of restart policies', () => {
  const { errors } = create(jobStrategy, job({ template: pod({ restartPolicy: 'Sometimes' }) }));
  assert.deepEqual(errors, [
    'spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    'spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "OnFailure", "Never"',
  ]);
});

test('of the selector of a job', () => {
  const LABELS = 'spec.template.metadata.labels';
  const made = create(jobStrategy, job()).object;
  const told = (change: (job: any) => void, old = made) => {
    const now = cloneDeep(old);
    change(now);
    return update(jobStrategy, now, old).errors;
  };
  const noId = create(jobStrategy, job({}, { ...metadata, uid: '' })).errors;
  assert.equal(noId[0], 'metadata.uid: Required value');
  const without = (label: string) =>
    told(j => {
      delete j.spec.template.metadata.labels[label];
    });
  assert.equal(without('job-name')[0], `${LABELS}[job-name]: Required value: must be 'j'`);
  assert.match(
    without('batch.kubernetes.io/controller-uid')[1]!,
    new RegExp(`^${LABELS}: Invalid value: .*: \`selector\` does not match template \`labels\`$`),
  );
  assert.deepEqual(
    told(j => {
      j.spec.selector.matchLabels = { 'job-name': 'k' };
    }),
    [
      'spec.selector: Invalid value: {"matchLabels":{"job-name":"k"}}: `selector` not auto-generated',
      `${LABELS}: Invalid value: {"batch.kubernetes.io/controller-uid":"u1","batch.kubernetes.io/job-name":"j","controller-uid":"u1","job-name":"j"}: \`selector\` does not match template \`labels\``,
      'spec.selector: Invalid value: {"matchLabels":{"job-name":"k"}}: field is immutable',
    ],
  );
  for (const [field, value] of Object.entries({
    backoffLimitPerIndex: 2,
    managedBy: 'a.b/c',
    completionMode: 'Indexed',
  })) {
    const old = create(jobStrategy, job({ ...indexed, backoffLimitPerIndex: 1 })).object;
    const change = (j: any) => {
      j.spec[field] = value;
    };
    if (field !== 'completionMode')
      assert.deepEqual(told(change, old), [
        `spec.${field}: Invalid value: ${JSON.stringify(value)}: field is immutable`,
      ]);
    else
      assert.deepEqual(told(change, create(jobStrategy, job({ completions: 1 })).object), [
        'spec.completionMode: Invalid value: "Indexed": field is immutable',
      ]);
  }
});

test('of counters that go back and times that change', () => {
  const base = create(jobStrategy, job()).object;
  const completed = [
    { type: 'SuccessCriteriaMet', status: 'True' },
    { type: 'Complete', status: 'True' },
  ];
  const told = (now: object, before: object): string[] =>
    update(
      jobStrategy,
      { ...base, status: { startTime: '2026-01-01T00:00:00Z', ...now } } as unknown as Job,
      { ...base, status: { startTime: '2026-01-01T00:00:00Z', ...before } } as unknown as Job,
      ruleContext('status'),
    ).errors;
  assert.deepEqual(told({ failed: 1 }, { failed: 2 }), [
    'status.failed: Invalid value: 1: cannot decrease the failed counter',
  ]);
  assert.deepEqual(told({}, { succeeded: 2 }), [
    'status.succeeded: Invalid value: 0: cannot decrease the succeeded counter',
  ]);
  const done = { conditions: completed, succeeded: 1, completionTime: '2026-01-01T00:01:00Z' };
  assert.deepEqual(told({ ...done, completionTime: '2026-01-01T00:02:00Z' }, done), [
    'status.completionTime: Invalid value: "2026-01-01T00:02:00Z": completionTime cannot be mutated',
  ]);
});

test('that many indexes may be lost sight of is said', () => {
  const many = job({ ...indexed, completions: 100_001, parallelism: 10_001 });
  const { object } = create(jobStrategy, many);
  assert.deepEqual(jobStrategy.warnings!(object, undefined, ruleContext()), [
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail',
  ]);
});

const cron = (spec: object) => ({
  metadata,
  spec: { schedule: '0 * * * *', jobTemplate: { spec: { template: pod() } }, ...spec },
});
const ZONE = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
const cronTable: [spec: object, told: string[]][] = [
  [{ timeZone: '' }, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
  [{ timeZone: 'Local' }, [`spec.timeZone: Invalid value: "Local": ${ZONE}`]],
  [
    { schedule: 'TZ=UTC 0 * * * *', timeZone: 'Asia/Tokyo' },
    ['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule'],
  ],
  [
    { concurrencyPolicy: 'Some' },
    ['spec.concurrencyPolicy: Unsupported value: "Some": supported values: "Allow", "Forbid", "Replace"'],
  ],
  [
    { jobTemplate: { spec: { template: pod(), manualSelector: true } } },
    ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
  ],
];
test('of a cron job', () => {
  for (const [spec, told] of cronTable) assert.deepEqual(create(cronJobStrategy, cron(spec)).errors, told);
});

test('what defaults leave no room for', () => {
  const template = { spec: { ...job(onCondition({ type: 'A' })).spec } };
  const now = cron({ jobTemplate: template });
  const errors = new FieldErrors();
  cronJobStrategy.validate!({ ...now, spec: { ...now.spec, concurrencyPolicy: '' } } as never, errors, ruleContext());
  const told = errors.list.map(e => `${e.reason} ${e.field}: ${e.message}`);
  const at = 'spec.jobTemplate.spec.podFailurePolicy.rules[0].onPodConditions[0].status';
  assert.ok(told.includes('FieldValueRequired spec.concurrencyPolicy: Required value'));
  assert.ok(told.includes(`FieldValueRequired ${at}: Required value: valid values: ["False" "True" "Unknown"]`));
  assert.deepEqual(create(cronJobStrategy, now).errors, []);
});
