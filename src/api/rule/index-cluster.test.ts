import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { emptyCertificateRequest } from '../../base/certificate-request.ts';
import { pemText } from '../../base/pem.ts';
import type { KubeObject } from '../meta.ts';
import type { Strategy } from '../strategy.ts';
import { mutatingPolicyStrategy, validatingPolicyStrategy } from './admission/policy.ts';
import { validatingPolicyBindingStrategy } from './admission/policy-binding.ts';
import { mutatingWebhookStrategy, validatingWebhookStrategy } from './admission/webhook-configuration.ts';
import { podAutoscalerStrategy } from './autoscaling/pod-autoscaler.ts';
import { signingRequestStrategy } from './certificates/signing-request.ts';
import { limitRangeStrategy } from './core/limit-range.ts';
import { resourceQuotaStrategy } from './core/resource-quota.ts';
import { flowSchemaStrategy } from './flowcontrol/flow-schema.ts';
import { priorityLevelStrategy } from './flowcontrol/priority-level.ts';
import { ipAddressStrategy, serviceCidrStrategy } from './networking/address.ts';
import { ingressStrategy } from './networking/ingress.ts';
import { ingressClassStrategy } from './networking/ingress-class.ts';
import { networkPolicyStrategy } from './networking/network-policy.ts';
import { runtimeClassStrategy } from './node/runtime-class.ts';
import { disruptionBudgetStrategy } from './policy/disruption-budget.ts';
import { priorityClassStrategy } from './scheduling/priority-class.ts';
import { csiNodeStrategy, volumeAttachmentStrategy, volumeAttributesClassStrategy } from './storage/attachment.ts';
import { csiDriverStrategy } from './storage/csi-driver.ts';
import { storageClassStrategy } from './storage/storage-class.ts';
import { create, ruleContext, update } from './testing.ts';

const fresh = { name: 'x', namespace: 'a' };
const metadata = { ...fresh, resourceVersion: '1' };
const wrong = (s: Strategy<any>, body: object, meta: object = fresh) => create(s, { metadata: meta, ...body }).errors;
const made = <T extends KubeObject>(s: Strategy<T>, body: object): T =>
  create(s as Strategy<any>, { metadata: fresh, ...body }).object as T;
const changed = (s: Strategy<any>, now: object, old: object, sub = '') =>
  update(s, { metadata, ...now }, { metadata, ...old } as never, ruleContext(sub)).errors;

test('disruption budgets', () => {
  const both = { minAvailable: 1, maxUnavailable: '110%' };
  assert.deepEqual(wrong(disruptionBudgetStrategy, { spec: both }), [
    'spec: Invalid value: {"minAvailable":1,"maxUnavailable":"110%"}: minAvailable and maxUnavailable cannot be both set',
    'spec.maxUnavailable: Invalid value: "110%": must not be greater than 100%',
  ]);
  assert.deepEqual(made(disruptionBudgetStrategy, { spec: {}, status: { currentHealthy: 3 } }).status, {});
  const condition = { type: 'A', status: 'Yes', reason: 'R', lastTransitionTime: '2026-01-01T00:00:00Z' };
  assert.deepEqual(
    changed(disruptionBudgetStrategy, { status: { conditions: [condition] } }, { status: {} }, 'status'),
    ['status.conditions[0].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"'],
  );
});

test('priority classes', () => {
  assert.equal(made(priorityClassStrategy, { value: 1 }).preemptionPolicy, 'PreemptLowerPriority');
  assert.deepEqual(wrong(priorityClassStrategy, { value: 1_000_000_001 }), [
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ]);
  assert.deepEqual(wrong(priorityClassStrategy, { value: 1 }, { name: 'system-x' }), [
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
  ]);
  assert.deepEqual(wrong(priorityClassStrategy, { value: 2_000_001_000 }, { name: 'system-node-critical' }), []);
  assert.deepEqual(changed(priorityClassStrategy, { value: 2 }, made(priorityClassStrategy, { value: 1 })), [
    'value: Forbidden: may not be changed in an update.',
  ]);
});

test('quotas', () => {
  const spec = {
    hard: { pods: '1.5', foo: '1', services: '1', 'count/x.y': '3', 'requests.hugepages-2Mi': '4Mi' },
    scopes: ['BestEffort', 'NotBestEffort', 'Odd'],
  };
  assert.deepEqual(wrong(resourceQuotaStrategy, { spec }), [
    'spec.hard[pods]: Invalid value: "1500m": must be an integer',
    'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
    // Of services and of huge pages, by each of two.
    ...Array.from(
      { length: 4 },
      () => 'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope applied to resource',
    ),
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope',
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: conflicting scopes',
  ]);
  const select = (operator: string, values?: string[]) => ({
    spec: {
      hard: { pods: '1' },
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, values }] },
    },
  });
  assert.deepEqual(wrong(resourceQuotaStrategy, select('In', ['high'])), []);
  assert.deepEqual(wrong(resourceQuotaStrategy, select('In')), [
    "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
  ]);
  assert.deepEqual(changed(resourceQuotaStrategy, { spec: { scopes: ['BestEffort'] } }, { spec: {} }), [
    'spec.scopes: Invalid value: ["BestEffort"]: field is immutable',
  ]);
});

test('limit ranges', () => {
  const item = { type: 'Container', max: { cpu: '2' }, min: { memory: '1Gi' } };
  const range = made(limitRangeStrategy, { spec: { limits: [item] } });
  assert.deepEqual(range.spec.limits[0]!.default, { cpu: '2' });
  assert.deepEqual(range.spec.limits[0]!.defaultRequest, { cpu: '2', memory: '1Gi' });
  const limits = [
    { type: 'Pod', max: { cpu: '1' }, min: { cpu: '2' }, default: { cpu: '1' }, maxLimitRequestRatio: { cpu: '500m' } },
    { type: 'PersistentVolumeClaim' },
    { type: 'Pod' },
  ];
  assert.deepEqual(wrong(limitRangeStrategy, { spec: { limits } }), [
    "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
    'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
    'spec.limits[1].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
    'spec.limits[2].type: Duplicate value: "Pod"',
  ]);
});

test('storage classes and drivers', () => {
  const storage = made(storageClassStrategy, { provisioner: 'x.io/y' });
  assert.equal(storage.reclaimPolicy, 'Delete');
  assert.equal(storage.volumeBindingMode, 'Immediate');
  assert.deepEqual(
    changed(storageClassStrategy, { ...storage, metadata, provisioner: 'z', parameters: { a: 'b' } }, storage),
    [
      'parameters: Forbidden: updates to parameters are forbidden.',
      'provisioner: Forbidden: updates to provisioner are forbidden.',
    ],
  );
  assert.deepEqual(wrong(storageClassStrategy, {}), ['provisioner: Required value']);
  const driver = made(csiDriverStrategy, { spec: {} });
  assert.deepEqual(driver.spec, {
    attachRequired: true,
    podInfoOnMount: false,
    storageCapacity: false,
    fsGroupPolicy: 'ReadWriteOnceWithFSType',
    volumeLifecycleModes: ['Persistent'],
    requiresRepublish: false,
    seLinuxMount: false,
  });
});

test('runtime classes', () => {
  assert.match(
    wrong(runtimeClassStrategy, { handler: 'A' })[0]!,
    /^handler: Invalid value: "A": a lowercase RFC 1123 label/,
  );
  assert.deepEqual(changed(runtimeClassStrategy, { handler: 'b' }, { handler: 'a' }), [
    'handler: Invalid value: "b": field is immutable',
  ]);
});

test('ingresses and their classes', () => {
  const service = { name: 's', port: { number: 80 } };
  const rule = (path: string, pathType: string | undefined, backend: object = { service }) => ({
    spec: { rules: [{ host: '*.example.com', http: { paths: [{ path, pathType, backend }] } }] },
  });
  assert.deepEqual(wrong(ingressStrategy, rule('/a', 'Prefix')), []);
  assert.deepEqual(wrong(ingressStrategy, rule('a//b', 'Exact', {})), [
    'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path',
    'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must not contain \'//\'',
    'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
  ]);
  assert.deepEqual(wrong(ingressStrategy, rule('/', undefined)), [
    'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
  ]);
  assert.deepEqual(wrong(ingressStrategy, { spec: {} }), [
    'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
  ]);
  const parameters = { kind: 'K', name: 'n', namespace: 'a' };
  assert.deepEqual(wrong(ingressClassStrategy, { spec: { controller: 'nope', parameters } }), [
    'spec.controller: Invalid value: "nope": must be a domain-prefixed path (such as "acme.io/foo")',
    "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
  ]);
});

test('network policies', () => {
  const policy = made(networkPolicyStrategy, { spec: { egress: [{ ports: [{ port: 53 }] }] } });
  assert.deepEqual(policy.spec.policyTypes, ['Ingress', 'Egress']);
  assert.equal(policy.spec.egress![0]!.ports![0]!.protocol, 'TCP');
  const from = [
    {},
    { ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8', '11.0.0.0/16', '10.1.0.0/16'] }, podSelector: {} },
  ];
  assert.deepEqual(
    wrong(networkPolicyStrategy, { spec: { ingress: [{ from, ports: [{ port: 90, endPort: 80 }] }] } }),
    [
      'spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`',
      'spec.ingress[0].from[0]: Required value: must specify a peer',
      'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
      'spec.ingress[0].from[1].ipBlock.except[1]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
      'spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer',
    ],
  );
});

test('autoscalers', () => {
  const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
  const scaler = made(podAutoscalerStrategy, { spec: { scaleTargetRef, maxReplicas: 3, behavior: {} } });
  assert.equal(scaler.spec.minReplicas, 1);
  assert.equal(scaler.spec.metrics![0]!.resource!.target.averageUtilization, 80);
  assert.equal(scaler.spec.behavior!.scaleUp!.stabilizationWindowSeconds, 0);
  assert.equal(scaler.spec.behavior!.scaleUp!.policies!.length, 2);
  assert.deepEqual(scaler.spec.behavior!.scaleDown!.policies, [{ type: 'Percent', value: 100, periodSeconds: 15 }]);
  const metrics = [{ type: 'Pods', resource: { name: 'cpu', target: { type: 'Utilization' } } }];
  assert.deepEqual(
    wrong(podAutoscalerStrategy, { spec: { scaleTargetRef, minReplicas: 5, maxReplicas: 3, metrics } }),
    [
      'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`',
      'spec.metrics[0].resource: Forbidden: must populate the given metric source only',
      'spec.metrics[0].pods: Required value: must populate information for the given metric source',
    ],
  );
});

test('signing requests', () => {
  const der = emptyCertificateRequest(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const pem = pemText('CERTIFICATE REQUEST', der);
  const spec = { request: Buffer.from(pem).toString('base64'), signerName: 'a.io/b', usages: ['client auth'] };
  assert.deepEqual(wrong(signingRequestStrategy, { spec }), []);
  assert.deepEqual(
    wrong(signingRequestStrategy, { spec: { ...spec, signerName: 'x', expirationSeconds: 9, usages: [] } }),
    [
      'spec.usages: Required value',
      'spec.signerName: Invalid value: "x": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
      'spec.expirationSeconds: Invalid value: 9: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  );
  const user = { name: 'joe', groups: ['dev'], extra: { x: ['y'] } };
  const lie = { metadata: fresh, spec: { ...spec, username: 'admin', uid: '1' }, status: { certificate: 'YQ==' } };
  const { object } = create(signingRequestStrategy, lie, { ...ruleContext(), user });
  assert.deepEqual(object.spec, { ...spec, username: 'joe', groups: ['dev'], extra: { x: ['y'] } });
  assert.deepEqual(object.status, {});
  const old = { spec, status: {} };
  const approved = { spec: {}, status: { conditions: [{ type: 'Approved', status: 'True' }] } };
  assert.deepEqual(changed(signingRequestStrategy, approved, old, 'approval'), []);
  assert.deepEqual(changed(signingRequestStrategy, approved, old, 'status'), [
    'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
  ]);
  assert.deepEqual(changed(signingRequestStrategy, old, approved, 'approval'), [
    'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
  ]);
  const now = update(
    signingRequestStrategy,
    { metadata, ...approved },
    { metadata, ...old } as never,
    ruleContext('approval'),
  );
  assert.equal(now.object.status.conditions![0]!.lastUpdateTime, '1970-01-01T00:00:00Z');
  assert.deepEqual(now.object.spec, spec);
});

test('webhooks', () => {
  const hook = {
    name: 'a.example.com',
    clientConfig: { service: { name: 's', namespace: 'n' } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
  };
  const [made1] = made(mutatingWebhookStrategy, { webhooks: [hook] }).webhooks!;
  assert.deepEqual(wrong(mutatingWebhookStrategy, { webhooks: [hook] }), []);
  assert.equal(made1!.failurePolicy, 'Fail');
  assert.equal(made1!.timeoutSeconds, 10);
  assert.equal(made1!.reinvocationPolicy, 'Never');
  assert.equal(made1!.clientConfig.service!.port, 443);
  assert.equal(made1!.rules![0]!.scope, '*');
  const bad = {
    name: 'a.b',
    clientConfig: { url: 'http://x/y?z#f' },
    admissionReviewVersions: ['v9', 'v9', '9'],
    timeoutSeconds: 31,
    rules: [
      {
        operations: ['*', 'CREATE'],
        apiGroups: ['*', 'x'],
        apiVersions: [],
        resources: ['*/*', 'pods', 'pods/status'],
      },
    ],
  };
  assert.deepEqual(wrong(validatingWebhookStrategy, { webhooks: [bad, { ...hook, clientConfig: {} }, hook] }), [
    'webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots',
    'webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
    'webhooks[0].rules[0].apiGroups: Invalid value: ["*","x"]: if \'*\' is present, must not specify other API groups',
    'webhooks[0].rules[0].apiVersions: Required value',
    'webhooks[0].rules[0].resources: Invalid value: ["*/*","pods","pods/status"]: if \'*/*\' is present, must not specify other resources',
    'webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun',
    'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    'webhooks[0].admissionReviewVersions[1]: Invalid value: "v9": duplicate version',
    `webhooks[0].admissionReviewVersions[2]: Invalid value: "9": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
    'webhooks[0].admissionReviewVersions: Invalid value: ["v9","v9","9"]: must include at least one of v1, v1beta1',
    'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
    'webhooks[0].clientConfig.url: Invalid value: "f": fragments are not permitted in the URL',
    'webhooks[0].clientConfig.url: Invalid value: "z": query parameters are not permitted in the URL',
    'webhooks[1].clientConfig: Required value: exactly one of url or service is required',
    'webhooks[2].name: Duplicate value: "a.example.com"',
  ]);
});

test('attachments and what drivers tell', () => {
  const spec = { attacher: 'd.x', nodeName: 'n', source: { persistentVolumeName: 'v' } };
  assert.deepEqual(wrong(volumeAttachmentStrategy, { spec }), []);
  assert.deepEqual(wrong(volumeAttachmentStrategy, { spec: { ...spec, source: {} } }), [
    'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
  ]);
  assert.equal(changed(volumeAttachmentStrategy, { spec: { ...spec, nodeName: 'm' } }, { spec }).length, 1);
  const driver = { name: 'd.x', nodeID: 'i', topologyKeys: ['a'], allocatable: { count: 3 } };
  const drivers = (...list: object[]) => ({ spec: { drivers: list } });
  assert.deepEqual(changed(csiNodeStrategy, drivers(), drivers(driver)), []);
  assert.deepEqual(changed(csiNodeStrategy, drivers({ ...driver, allocatable: { count: 4 } }), drivers(driver)), []);
  assert.match(
    changed(csiNodeStrategy, drivers({ ...driver, nodeID: 'j' }), drivers(driver))[0]!,
    /^CSINodeDriver: .*: field is immutable$/,
  );
  assert.deepEqual(wrong(volumeAttributesClassStrategy, { driverName: 'd' }), [
    'parameters: Required value: must contain at least one key/value pair',
  ]);
});

test('service ranges and addresses', () => {
  const range = (...cidrs: string[]) => ({ spec: { cidrs } });
  assert.deepEqual(wrong(serviceCidrStrategy, range()), ['spec.cidrs: Required value: at least one CIDR required']);
  assert.deepEqual(changed(serviceCidrStrategy, range('10.0.0.0/16', 'fd00::/112'), range('10.0.0.0/16')), []);
  assert.deepEqual(changed(serviceCidrStrategy, range('10.1.0.0/16'), range('10.0.0.0/16')), [
    'spec.cidrs[0]: Invalid value: "10.1.0.0/16": field is immutable',
  ]);
  const parentRef = { resource: 'services', name: 's' };
  assert.deepEqual(wrong(ipAddressStrategy, { spec: { parentRef } }, { name: '10.0.0.1' }), []);
  assert.equal(wrong(ipAddressStrategy, { spec: { parentRef } }).length, 1);
});

test('admission policies and bindings', () => {
  const resourceRules = [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }];
  const spec = { matchConstraints: { resourceRules }, validations: [{ expression: 'true' }] };
  const policy = made(validatingPolicyStrategy, { spec, status: { observedGeneration: 3 } });
  assert.deepEqual(wrong(validatingPolicyStrategy, { spec }), []);
  assert.equal(policy.spec.failurePolicy, 'Fail');
  assert.equal(policy.spec.matchConstraints!.matchPolicy, 'Equivalent');
  assert.deepEqual(policy.status, {});
  const bad = {
    paramKind: {},
    matchConstraints: {},
    variables: [{ name: '1x', expression: ' ' }],
    auditAnnotations: [{ key: 'k', valueExpression: '' }],
    validations: [{ expression: '1 >\n2' }, { expression: '', message: 'm', reason: 'Odd' }],
  };
  assert.deepEqual(wrong(validatingPolicyStrategy, { spec: bad }), [
    'spec.paramKind.apiVersion: Required value',
    'spec.paramKind.kind: Required value',
    'spec.matchConstraints.resourceRules: Required value',
    'spec.variables[0].name: Invalid value: "1x": name is not a valid CEL identifier',
    'spec.variables[0].expression: Required value: expression is not specified',
    'spec.validations[0].message: Required value: message must be specified if expression contains line breaks',
    'spec.validations[1].expression: Required value: expression is not specified',
    'spec.validations[1].reason: Unsupported value: "Odd": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
    'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
  ]);
  const binding = { policyName: 'p', paramRef: {}, validationActions: ['Deny', 'Warn', 'Deny'] };
  assert.deepEqual(wrong(validatingPolicyBindingStrategy, { spec: binding }), [
    'spec.paramRef: Required value: one of name or selector must be specified',
    'spec.paramRef.parameterNotFoundAction: Required value',
    'spec.validationActions[2]: Duplicate value: "Deny"',
    'spec.validationActions: Invalid value: ["Deny","Warn","Deny"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
  ]);
  const { validations: _, ...mutating } = spec;
  assert.deepEqual(wrong(mutatingPolicyStrategy, { spec: { ...mutating, mutations: [{ patchType: 'JSONPatch' }] } }), [
    'spec.mutations[0].jsonPatch.expression: Required value: expression is not specified',
  ]);
});

test('flow schemas and priority levels', () => {
  const level = made(priorityLevelStrategy, {
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: {} } } },
  });
  assert.deepEqual(level.spec.limited, {
    nominalConcurrencyShares: 30,
    lendablePercent: 0,
    limitResponse: { type: 'Queue', queuing: { handSize: 8, queues: 64, queueLengthLimit: 50 } },
  });
  const queuing = { queues: 4, handSize: 5, queueLengthLimit: 1 };
  const limited = { lendablePercent: 101, limitResponse: { type: 'Queue', queuing } };
  assert.deepEqual(wrong(priorityLevelStrategy, { spec: { type: 'Limited', limited } }), [
    'spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)',
    'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
  ]);
  assert.deepEqual(wrong(priorityLevelStrategy, { spec: { type: 'Exempt' } }), [
    "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if `name` is 'exempt'",
  ]);
  const rule = {
    subjects: [{ kind: 'User', group: { name: 'g' } }],
    resourceRules: [{ verbs: ['*', 'get'], apiGroups: [''], resources: ['pods'] }],
  };
  assert.deepEqual(wrong(flowSchemaStrategy, { spec: { matchingPrecedence: 1, rules: [rule, {}] } }), [
    "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
    'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
    "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
    "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
    'spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
    'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
    'spec.rules[1].subjects: Required value: subjects must contain at least one value',
    'spec.rules[1]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
  ]);
});

test('runtime classes tolerate each thing once, on nodes with labels of today', () => {
  const toleration = { key: 'k', operator: 'Exists' };
  const scheduling = {
    tolerations: [toleration, { key: 'l', operator: 'Exists' }, toleration],
    nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
  };
  const body = { handler: 'h', scheduling };
  assert.deepEqual(wrong(runtimeClassStrategy, body), [
    'scheduling.tolerations[2]: Duplicate value: {"key":"k","operator":"Exists"}',
  ]);
  const tolerations = Array.from({ length: 5000 }, (_, i) => ({ key: `k${i}`, operator: 'Exists' }));
  const began = performance.now();
  assert.deepEqual(wrong(runtimeClassStrategy, { handler: 'h', scheduling: { tolerations } }), []);
  assert.ok(performance.now() - began < 1000);
  assert.deepEqual(runtimeClassStrategy.warnings!({ metadata, ...body } as never, undefined, ruleContext()), [
    'scheduling.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
  ]);
});

test('autoscalers tolerate no less than nothing, and scale kinds of a group', () => {
  const spec = {
    maxReplicas: 1,
    scaleTargetRef: { apiVersion: 'a/b/c', kind: 'K', name: 'n' },
    behavior: { scaleUp: { tolerance: '-1' } },
  };
  assert.deepEqual(wrong(podAutoscalerStrategy, { spec }), [
    'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
    'spec.behavior.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to 0',
  ]);
});

test('nobody asks the signer of no name', () => {
  const spec = { request: '', usages: ['any'], signerName: 'kubernetes.io/legacy-unknown' };
  assert.deepEqual(wrong(signingRequestStrategy, { spec }).slice(1), [
    'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
  ]);
});
