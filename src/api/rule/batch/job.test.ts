import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep } from '../../meta.ts';
import type { CronJob, Job } from '../../type/batch-v1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { cronJobStrategy } from './cron-job.ts';
import { jobStrategy } from './job.ts';
import { countIndexes } from './job-policy.ts';

const template = (spec: object = {}) => ({
  spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }], ...spec },
});
const jobOf = (spec: object = {}, name = 'j') => ({
  metadata: { name, namespace: 'default', uid: 'u1' },
  spec: { template: template(), ...spec },
});
const causes = (spec: object = {}, name = 'j') => create(jobStrategy, jobOf(spec, name)).errors;
const stored = (spec: object = {}, status: object = {}): Job => {
  const { object } = create(jobStrategy, jobOf(spec));
  return { ...object, status, metadata: { ...object.metadata, resourceVersion: '1' } };
};
const changed = (old: Job, change: (job: any) => void): string[] => {
  const next = cloneDeep(old);
  change(next);
  return update(jobStrategy, next, old).errors;
};

test('a job gets defaults, labels and a selector', () => {
  const { object, errors } = create(jobStrategy, jobOf());
  assert.deepEqual(errors, []);
  const { template: made, ...spec } = object.spec;
  assert.deepEqual(spec, {
    parallelism: 1,
    completions: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    manualSelector: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
  });
  assert.deepEqual(made.metadata, {
    labels: {
      'batch.kubernetes.io/controller-uid': 'u1',
      'batch.kubernetes.io/job-name': 'j',
      'controller-uid': 'u1',
      'job-name': 'j',
    },
  });
  assert.deepEqual(object.status, {});
});

test('a work queue keeps completions open', () => {
  const { spec } = create(jobStrategy, jobOf({ parallelism: 3 })).object;
  assert.equal(spec.completions, undefined);
  const perIndex = { completionMode: 'Indexed', completions: 2, backoffLimitPerIndex: 1 };
  assert.equal(create(jobStrategy, jobOf(perIndex)).object.spec.backoffLimit, 2147483647);
});

const failure = (rule: object) => ({ podFailurePolicy: { rules: [rule] } });
const table: [name: string, spec: object, causes: string[]][] = [
  [
    'restart policy left out',
    { template: template({ restartPolicy: undefined }) },
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  [
    'indexed without completions',
    { completionMode: 'Indexed', parallelism: 1 },
    ['spec.completions: Required value: when completion mode is Indexed'],
  ],
  [
    'limit per index without indexes',
    { backoffLimitPerIndex: 1 },
    ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
  ],
  [
    'completion mode',
    { completionMode: 'Some' },
    ['spec.completionMode: Unsupported value: "Some": supported values: "Indexed", "NonIndexed"'],
  ],
  [
    'labels of another job',
    { template: { ...template(), metadata: { labels: { 'job-name': 'other' } } } },
    [
      'spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"u1","batch.kubernetes.io/job-name":"j","controller-uid":"u1","job-name":"other"}: must be \'j\'',
    ],
  ],
  ['manual selector without one', { manualSelector: true }, ['spec.selector: Required value']],
  [
    'exit codes',
    failure({ action: 'FailJob', onExitCodes: { operator: 'In', values: [3, 0, 3], containerName: 'z' } }),
    [
      'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "z": must be one of the container or initContainer names in the pod template',
      'spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator',
      'spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3',
      'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered',
    ],
  ],
  [
    'replacement with a failure policy',
    {
      ...failure({ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }),
      podReplacementPolicy: 'TerminatingOrFailed',
    },
    ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
  ],
  [
    'success policy',
    {
      completionMode: 'Indexed',
      completions: 3,
      successPolicy: { rules: [{ succeededIndexes: '0-5' }, { succeededCount: 4 }] },
    },
    [
      'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-5": error parsing succeededIndexes: too large index: "5"',
      'spec.successPolicy.rules[1].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)',
    ],
  ],
];
for (const [name, spec, expected] of table) {
  test(`create job: ${name}`, () => assert.deepEqual(causes(spec), expected));
}

test('indexes must make hostnames', () => {
  const name = 'a'.repeat(62);
  assert.deepEqual(causes({ completionMode: 'Indexed', completions: 1 }, name), [
    `metadata.name: Invalid value: "${name}": will not able to create pod with invalid DNS label: ${name}-0`,
  ]);
});

test('index lists are counted', () => {
  assert.equal(countIndexes('0,2-4', 5), 4);
  assert.equal(countIndexes('', 5), 0);
  assert.equal(countIndexes('3,1', 5), 'non-increasing order, previous: 3, current: 1');
  assert.equal(countIndexes('x', 5), 'cannot convert string to integer for index: "x"');
});

test('a running job changes only in numbers', () => {
  const old = stored({}, { startTime: 't' });
  assert.deepEqual(
    changed(old, j => {
      j.spec.parallelism = 5;
      j.spec.suspend = true;
      j.spec.backoffLimit = 1;
    }),
    [],
  );
  const image = changed(old, j => {
    j.spec.template.spec.containers[0].image = 'y';
  });
  assert.equal(image.length, 1);
  assert.match(image[0]!, /^spec\.template: Invalid value: \{.*\}: field is immutable$/);
  assert.deepEqual(
    changed(old, j => {
      j.spec.completions = 2;
    }),
    ['spec.completions: Invalid value: 2: field is immutable'],
  );
});

test('a suspended job may still be sent elsewhere', () => {
  const old = stored({ suspend: true });
  assert.deepEqual(
    changed(old, j => {
      j.spec.template.spec.nodeSelector = { a: 'b' };
      j.spec.template.spec.containers[0].resources = { requests: { cpu: '1' } };
    }),
    [],
  );
  assert.equal(
    changed(old, j => {
      j.spec.template.spec.containers[0].image = 'y';
    }).length,
    1,
  );
});

test('indexed jobs grow in tandem', () => {
  const old = stored({ completionMode: 'Indexed', completions: 2, parallelism: 2 });
  assert.deepEqual(
    changed(old, j => {
      j.spec.completions = 3;
      j.spec.parallelism = 3;
    }),
    [],
  );
  assert.deepEqual(
    changed(old, j => {
      j.spec.completions = 3;
    }),
    ['spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism'],
  );
});

const cronOf = (spec: object = {}, name = 'c') => ({
  metadata: { name, namespace: 'default', uid: 'u' },
  spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: template() } }, ...spec },
});
const cronCauses = (spec: object = {}, name = 'c') => create(cronJobStrategy, cronOf(spec, name)).errors;

test('a cron job gets defaults, its jobs get theirs when they are made', () => {
  const { object, errors } = create(cronJobStrategy, cronOf());
  assert.deepEqual(errors, []);
  const { jobTemplate, ...spec } = object.spec;
  assert.deepEqual(spec, {
    schedule: '*/5 * * * *',
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  });
  assert.equal(jobTemplate.spec!.backoffLimit, undefined);
  assert.equal(jobTemplate.spec!.template.spec!.dnsPolicy, 'ClusterFirst');
});

test('cron job causes', () => {
  assert.deepEqual(cronCauses({ schedule: '' }), ['spec.schedule: Required value']);
  assert.deepEqual(cronCauses({ schedule: '* * * *' }), [
    'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]',
  ]);
  assert.deepEqual(cronCauses({ schedule: '60 * * * *' }), [
    'spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60',
  ]);
  assert.deepEqual(cronCauses({ schedule: 'TZ=UTC 0 * * * *' }), [
    'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
  ]);
  assert.deepEqual(cronCauses({ timeZone: 'Mars/Base' }), [
    'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base',
  ]);
  assert.deepEqual(cronCauses({ timeZone: 'Europe/Berlin' }), []);
  assert.deepEqual(cronCauses({ concurrencyPolicy: 'Queue' }), [
    'spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"',
  ]);
  assert.deepEqual(cronCauses({}, 'c'.repeat(53)), [
    `metadata.name: Invalid value: "${'c'.repeat(53)}": must be no more than 52 characters`,
  ]);
  const selector = { jobTemplate: { spec: { selector: { matchLabels: { a: 'b' } }, template: template() } } };
  assert.deepEqual(cronCauses(selector), [
    'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
  ]);
});

test('an old schedule with a zone may stay', () => {
  const old = { ...create(cronJobStrategy, cronOf()).object } as CronJob;
  const before = {
    ...old,
    metadata: { ...old.metadata, resourceVersion: '1' },
    spec: { ...old.spec, schedule: 'TZ=UTC 0 * * * *' },
  };
  const { object, errors } = update(cronJobStrategy, { ...before, spec: { ...before.spec, suspend: true } }, before);
  assert.deepEqual(errors, []);
  assert.equal(cronJobStrategy.warnings!(object, before, ruleContext()).length, 1);
});

const condition = (type: string) => ({ type, status: 'True' }) as const;
const TIME = '2026-01-01T00:00:10Z';
const EARLIER = '2026-01-01T00:00:00Z';
const done = (...types: string[]) => ({ startTime: EARLIER, conditions: types.map(condition) });
const without = (end: string, sign: string) =>
  `status.conditions: Invalid value: cannot set ${end}=True condition without the ${sign}=true condition`;
const both = (a: string, b: string) => `status.conditions: Invalid value: cannot set ${a} and ${b} conditions`;

/** Of a job with these fields of its spec: the status before, the one that is written, and what is wrong with it. */
const STATUSES: readonly (readonly [spec: object, before: object, now: object, ...errors: string[]])[] = [
  [{}, {}, { active: 1, ready: 1 }],
  [{}, {}, { active: 1, ready: 2 }, 'status.ready: Invalid value: 2: cannot set more ready pods than active'],
  [{}, { active: 1, ready: 2 }, { active: 1, ready: 2, startTime: TIME }],
  [
    {},
    {},
    { uncountedTerminatedPods: { succeeded: ['a', ''], failed: ['a'] } },
    'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
    'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
  ],
  [{}, {}, { ...done('SuccessCriteriaMet', 'Complete'), completionTime: TIME }],
  [{}, {}, done('FailureTarget', 'Failed')],
  [{}, {}, done('Failed'), without('Failed', 'FailureTarget')],
  [
    {},
    {},
    done('Complete'),
    without('Complete', 'SuccessCriteriaMet'),
    'status.completionTime: Required value: completionTime is required for Complete jobs',
  ],
  [
    {},
    {},
    { ...done('SuccessCriteriaMet', 'Complete', 'FailureTarget', 'Failed'), completionTime: TIME },
    both('Complete=True', 'Failed=true'),
    both('Complete=True', 'FailureTarget=true'),
    both('Failed=True', 'SuccessCriteriaMet=true'),
    both('SuccessCriteriaMet=true', 'FailureTarget=true'),
  ],
  [
    {},
    done('SuccessCriteriaMet', 'FailureTarget', 'Complete', 'Failed'),
    { startTime: EARLIER },
    ...['Failed', 'Complete', 'FailureTarget'].map(
      t => `status.conditions: Invalid value: cannot disable the terminal ${t}=True condition`,
    ),
    'status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition',
  ],
  [
    {},
    {},
    { startTime: TIME, completionTime: EARLIER },
    `status.completionTime: Invalid value: "${EARLIER}": cannot set completionTime when there is no Complete=True condition`,
    `status.completionTime: Invalid value: "${EARLIER}": completionTime cannot be set before startTime`,
  ],
  [
    {},
    {},
    {
      ...done('FailureTarget', 'Failed'),
      startTime: undefined,
      active: 1,
      terminating: 2,
      uncountedTerminatedPods: { failed: ['a'] },
    },
    'status.active: Invalid value: 1: active>0 is invalid for finished job',
    'status.startTime: Required value: startTime is required for finished job',
    'status.uncountedTerminatedPods: Invalid value: {"failed":["a"]}: uncountedTerminatedPods needs to be empty for finished job',
    'status.terminating: Invalid value: 2: terminating>0 is invalid for finished job',
  ],
  [
    { completions: 3 },
    {},
    { completedIndexes: '0-3', failedIndexes: '2,1' },
    'status.completedIndexes: Invalid value: "0-3": error parsing completedIndexes: too large index: "3"',
    'status.failedIndexes: Invalid value: "2,1": error parsing failedIndexes: non-increasing order, previous: 2, current: 1',
    'status.completedIndexes: Invalid value: "0-3": cannot set non-empty completedIndexes when non-indexed completion mode',
    'status.failedIndexes: Invalid value: "2,1": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    'status.failedIndexes: Invalid value: "2,1": failedIndexes and completedIndexes overlap',
  ],
  [
    { completions: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1 },
    {},
    { completedIndexes: '0,2', failedIndexes: '1' },
  ],
  [
    {},
    { failed: 2, succeeded: 2 },
    { failed: 1, succeeded: 1 },
    'status.failed: Invalid value: 1: cannot decrease the failed counter',
    'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
  ],
  [{ completions: 3, completionMode: 'Indexed' }, { succeeded: 2 }, { succeeded: 1 }],
  [
    {},
    { startTime: EARLIER },
    { startTime: TIME },
    'status.startTime: Required value: startTime cannot be removed for unsuspended job',
  ],
  [{ suspend: true }, { startTime: EARLIER }, {}],
  [{}, { startTime: EARLIER, conditions: [condition('Suspended')] }, { startTime: TIME }],
];

for (const [spec, before, now, ...errors] of STATUSES)
  test(`status ${JSON.stringify(before)} to ${JSON.stringify(now)}`.slice(0, 110), () => {
    const old = stored(spec, before);
    assert.deepEqual(update(jobStrategy, { ...old, status: now }, old, ruleContext('status')).errors, errors);
  });

test('finished indexes are as many as there are', () => {
  const indexes = (first: number) => Array.from({ length: 20_000 }, (_, i) => first + 4 * i).join(',');
  const old = stored({ completions: 80_000, completionMode: 'Indexed', backoffLimitPerIndex: 1 }, {});
  const told = (failedIndexes: string) => {
    const status = { completedIndexes: indexes(0), failedIndexes };
    const { errors } = update(jobStrategy, { ...old, status }, old, ruleContext('status'));
    return errors.map(e => e.replace(/^.*: /, ''));
  };
  const began = performance.now();
  assert.deepEqual(told(indexes(2)), []);
  assert.deepEqual(told('1-3,79997-79999'), []);
  assert.deepEqual(told('1-3,79995-79996'), ['failedIndexes and completedIndexes overlap']);
  assert.ok(performance.now() - began < 2000);
});
