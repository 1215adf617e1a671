// What is wrong in where a pod may run, in its names and its DNS.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors } from '../../field-error.ts';
import type { PodSpec } from '../../type/core-v1.ts';
import { create, ruleContext } from '../testing.ts';
import { podStrategy, validatePodBinding } from './pod.ts';
import { causes, type Loose, podOf } from './test-pod.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const NO_NAME = ['name part must be non-empty', NAME_PART];
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

function each(at: string, cases: readonly (readonly [Loose<PodSpec>, ...string[]])[]): void {
  for (const [spec, ...expected] of cases)
    assert.deepEqual(
      causes(spec),
      expected.map(e => `spec.${at}${e}`),
      JSON.stringify(spec).slice(0, 300),
    );
}

test('terms of nodes', () => {
  const terms = (...nodeSelectorTerms: object[]) => ({
    affinity: { nodeAffinity: { [REQUIRED]: { nodeSelectorTerms } } },
  });
  const label = (operator: string, values?: string[], key = 'a') =>
    terms({ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] });
  const field = (operator: string, values: string[], key = 'metadata.name') =>
    terms({ matchFields: [{ key, operator, values }] });
  const at = '[0].matchExpressions[0]';
  const fields = '[0].matchFields[0]';
  each(`affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms`, [
    [terms(), ': Required value: must have at least one node selector term'],
    [label('In'), `${at}.values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`],
    [
      label('DoesNotExist', ['a']),
      `${at}.values: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
    ],
    [label('Is', ['a']), `${at}.operator: Invalid value: "Is": not a valid selector operator`],
    [label('Exists', [], ''), ...NO_NAME.map(m => `${at}.key: Invalid value: "": ${m}`)],
    [label('In', ['a', '-']), `${at}.values[1]: Invalid value: "-": ${LABEL_VALUE}`],
    [field('In', ['n'])],
    [field('Exists', []), `${fields}.operator: Invalid value: "Exists": not a valid selector operator`],
    [
      field('NotIn', ['a', 'b']),
      `${fields}.values: Required value: must be only one value when \`operator\` is 'In' or 'NotIn' for node field selector`,
    ],
    [field('In', ['n'], 'spec.x'), `${fields}.key: Invalid value: "spec.x": not a valid field selector key`],
    [field('In', ['N']), `${fields}.values[0]: Invalid value: "N": ${SUBDOMAIN}`],
  ]);
});

test('terms of pods', () => {
  const labelSelector = { matchLabels: { a: 'b' } };
  const term = (more: object) => ({
    affinity: { podAntiAffinity: { [REQUIRED]: [{ topologyKey: 'z', labelSelector, ...more }] } },
  });
  const preferred = (weight: number, more: object = {}) => ({
    affinity: { podAffinity: { [PREFERRED]: [{ weight, podAffinityTerm: { topologyKey: 'z', ...more } }] } },
  });
  each(`affinity.podAntiAffinity.${REQUIRED}[0]`, [
    [term({ namespaces: ['N'] }), `.namespace: Invalid value: "N": ${LABEL}`],
    [
      term({ matchLabelKeys: ['k'], mismatchLabelKeys: ['k'] }),
      '.matchLabelKeys[0]: Invalid value: "k": exists in both matchLabelKeys and mismatchLabelKeys',
    ],
    [
      term({ topologyKey: '' }),
      '.topologyKey: Required value: can not be empty',
      ...NO_NAME.map(m => `.topologyKey: Invalid value: "": ${m}`),
    ],
    [
      term({ labelSelector: undefined, matchLabelKeys: ['k'] }),
      '.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set',
    ],
    [
      term({ matchLabelKeys: ['a'] }),
      '.matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys and labelSelector',
    ],
    [
      term({ namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
      ".namespaceSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
  ]);
  each(`affinity.podAffinity.${PREFERRED}[0]`, [
    [preferred(100)],
    [preferred(101), '.weight: Invalid value: 101: must be in the range 1-100'],
    [
      preferred(1, { topologyKey: '/' }),
      ...['prefix part must be non-empty', ...NO_NAME].map(
        m => `.podAffinityTerm.topologyKey: Invalid value: "/": ${m}`,
      ),
    ],
  ]);
});

test('spread, gates and tolerations', () => {
  const spread = (more: object) => ({
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'z', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: {}, ...more },
    ],
  });
  each('topologySpreadConstraints[0]', [
    [spread({ topologyKey: '' }), '.topologyKey: Required value: can not be empty'],
    [
      spread({ whenUnsatisfiable: 'Never' }),
      '.whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"',
    ],
    [
      spread({ minDomains: 1 }),
      '.minDomains: Invalid value: 1: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
    ],
    [
      spread({ minDomains: 0, whenUnsatisfiable: 'DoNotSchedule' }),
      '.minDomains: Invalid value: 0: must be greater than zero',
    ],
    [
      spread({ nodeAffinityPolicy: 'Yes' }),
      '.nodeAffinityPolicy: Unsupported value: "Yes": supported values: "Honor", "Ignore"',
    ],
    [spread({ nodeTaintsPolicy: '' }), '.nodeTaintsPolicy: Unsupported value: "": supported values: "Honor", "Ignore"'],
    [
      spread({ labelSelector: undefined, matchLabelKeys: ['k'] }),
      '.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set',
    ],
  ]);
  each('', [
    [
      { readinessGates: [{ conditionType: 'a/b/c' }] },
      `readinessGates[0].conditionType: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ],
    [{ schedulingGates: [{ name: '' }] }, ...NO_NAME.map(m => `schedulingGates[0]: Invalid value: "": ${m}`)],
    [{ schedulingGates: [{ name: 'a' }, { name: 'a' }] }, 'schedulingGates[1]: Duplicate value: "a"'],
  ]);
  const tolerate = (toleration: object, gates: Record<string, boolean> = {}) =>
    create(podStrategy, podOf({ tolerations: [toleration] }), ruleContext('', gates)).errors.map(e =>
      e.replace('spec.tolerations[0].', ''),
    );
  const compares = { TaintTolerationComparisonOperators: true };
  const words = '"Equal", "Exists"';
  assert.deepEqual(tolerate({ key: 'k', effect: 'Never' }), [
    'effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ]);
  assert.deepEqual(tolerate({ key: 'k', value: '-' }), [`operator: Invalid value: "-": ${LABEL_VALUE}`]);
  assert.match(
    tolerate({ key: 'k', operator: 'Exists', value: 'v' }).join(),
    /^operator: Invalid value: \{.*\}: value must be empty when `operator` is 'Exists'$/,
  );
  assert.deepEqual(tolerate({ key: 'k', operator: 'Gt', value: '1' }), [
    `operator: Unsupported value: "Gt": supported values: ${words}`,
  ]);
  assert.deepEqual(tolerate({ key: 'k', operator: 'Gt', value: '1' }, compares), []);
  assert.deepEqual(tolerate({ key: 'k', operator: 'Lt', value: '01' }, compares), [
    'value: Invalid value: "01": must be a valid integer',
  ]);
});

test('names and DNS', () => {
  const dns = (dnsConfig: object, dnsPolicy = 'ClusterFirst') => ({ dnsPolicy, dnsConfig });
  const searches = (count: number, name = 'a') => Array.from({ length: count }, () => name);
  const many = searches(33);
  const long = searches(16, `${'a'.repeat(63)}.${'a'.repeat(63)}`).concat('a');
  const four = ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'];
  const underscored = SUBDOMAIN.replace("'-' or '.'", "'_', '-' or '.'").replace(
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'",
    "'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*'",
  );
  each('', [
    ...['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName'].map(
      key => [{ [key]: 'N' }, `${key}: Invalid value: "N": ${SUBDOMAIN}`] as const,
    ),
    [{ runtimeClassName: '' }, `runtimeClassName: Invalid value: "": ${SUBDOMAIN}`],
    [{ hostname: 'a.b' }, 'hostname: Invalid value: "a.b": must not contain dots'],
    [{ subdomain: 'A' }, `subdomain: Invalid value: "A": ${LABEL}`],
    [{ hostnameOverride: 'A' }, `hostnameOverride: Invalid value: "A": ${SUBDOMAIN}`],
    [{ hostnameOverride: 'a'.repeat(65) }, 'hostnameOverride: Too long: may not be more than 64 bytes'],
    [
      { hostnameOverride: 'a', hostNetwork: true },
      'hostnameOverride: Forbidden: may not be set when hostNetwork is true',
    ],
    [
      { hostnameOverride: 'a', setHostnameAsFQDN: true },
      'hostnameOverride: Forbidden: may not be set when setHostnameAsFQDN is true',
    ],
    [
      { hostAliases: [{ ip: '1.1.1.1', hostnames: ['a', 'B'] }] },
      `hostAliases[0].hostnames[1]: Invalid value: "B": ${SUBDOMAIN}`,
    ],
    [
      { dnsPolicy: 'Cluster' },
      'dnsPolicy: Unsupported value: "Cluster": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ],
    [
      dns({ searches: ['a'] }, 'None'),
      'dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
    ],
    [
      dns({ nameservers: four }),
      `dnsConfig.nameservers: Invalid value: ${JSON.stringify(four)}: must not have more than 3 nameservers`,
    ],
    [
      dns({ searches: many }),
      `dnsConfig.searches: Invalid value: ${JSON.stringify(many)}: must not have more than 32 search paths`,
    ],
    [
      dns({ searches: long }),
      `dnsConfig.searches: Invalid value: ${JSON.stringify(long)}: must not have more than 2048 characters (including spaces) in the search list`,
    ],
    [dns({ searches: ['.', '_sip._tcp.a.'] })],
    // Told without the last dot.
    [dns({ searches: ['a', 'B.'] }), `dnsConfig.searches[1]: Invalid value: "B": ${underscored}`],
    [dns({ options: [{ value: 'x' }] }), 'dnsConfig.options[0]: Required value: must not be empty'],
    [
      { preemptionPolicy: 'Always' },
      'preemptionPolicy: Unsupported value: "Always": supported values: "Never", "PreemptLowerPriority"',
    ],
    [{ preemptionPolicy: '' }, 'preemptionPolicy: Required value'],
  ]);
  const grouped = (schedulingGroup: object) =>
    create(podStrategy, podOf({ schedulingGroup }), ruleContext('', { GenericWorkload: true })).errors;
  assert.deepEqual(grouped({}), ['spec.schedulingGroup: Required value: must specify one of: `podGroupName`']);
  assert.deepEqual(grouped({ podGroupName: 'G' }), [
    `spec.schedulingGroup.podGroupName: Invalid value: "G": ${SUBDOMAIN}`,
  ]);
});

test('a pod is bound to a node that has a name', () => {
  const wrong = (target: object) => {
    const errors = new FieldErrors();
    validatePodBinding({ target } as never, errors);
    return errors.list;
  };
  assert.deepEqual(wrong({ name: 'n' }), []);
  assert.deepEqual(wrong({ kind: 'Node', name: '' }), [
    { reason: 'FieldValueRequired', message: 'Required value', field: 'target.name' },
  ]);
  assert.deepEqual(wrong({ kind: 'Pod', name: 'n' }), [
    {
      reason: 'FieldValueNotSupported',
      message: 'Unsupported value: "Pod": supported values: "Node", "<empty>"',
      field: 'target.kind',
    },
  ]);
});
