// Objects that use much of what their kinds can say and are valid, beside the least ones of `test-samples.ts`.
import { samples } from '../../src/apiserver/test-samples.ts';
import { type Chance, expressions } from './chance.ts';
import { customGroup } from './custom-kinds.ts';
import { jobSpec, labels, podSpec, selector, template } from './valid-pod.ts';

type Make = (c: Chance, name: string) => any;

const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
const metricRef = { name: 'm', selector };
const target = { type: 'AverageValue', averageValue: '1500m' };
const resourceRules = (resource: string) => [
  { apiGroups: [customGroup], apiVersions: ['*'], operations: ['*'], resources: [resource], scope: '*' },
];
const policySpec = (c: Chance) => ({
  ...(c.once(3) ? { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } } : {}),
  matchConstraints: {
    resourceRules: [
      ...resourceRules('widgets'),
      {
        apiGroups: ['', 'apps'],
        apiVersions: ['v1'],
        operations: ['CREATE', 'UPDATE'],
        resources: ['configmaps', 'deployments'],
      },
    ],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': policed } },
    ...(c.once(3) ? { objectSelector: selector } : {}),
  },
  matchConditions: c.once(3) ? [{ name: 'm', expression: c.pick(expressions) }] : [],
  variables: [{ name: 'a', expression: c.pick(expressions) }],
  failurePolicy: c.pick(['Fail', 'Ignore']),
});
const webhooks = (c: Chance) => [
  {
    name: 'w.example.com',
    clientConfig: { url: 'https://127.0.0.1:1/none' },
    ...{
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      timeoutSeconds: 1,
      failurePolicy: c.pick(['Fail', 'Ignore']),
    },
    rules: resourceRules('gadgets'),
    matchConditions: [{ name: 'm', expression: c.pick(expressions) }],
    objectSelector: { matchLabels: { app: 'a' } },
  },
];
const selectors = (c: Chance) => [{ cel: { expression: c.pick(expressions) } }];
const attributes = { namespace: 'default', verb: 'get', group: 'apps', version: 'v1', resource: 'pods', name: 'x' };
const fieldSelector = { requirements: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] };
const access: Make = c => ({
  spec: {
    ...{ user: 'u', groups: ['g'], extra: { a: ['b'] }, uid: '1' },
    ...(c.once(3)
      ? { nonResourceAttributes: { path: '/x', verb: 'get' } }
      : { resourceAttributes: { ...attributes, fieldSelector, labelSelector: { rawSelector: 'a=b' } } }),
  },
});
const signingRequest = `-----BEGIN CERTIFICATE REQUEST-----
MIHrMIGRAgEAMC8xFTATBgNVBAoMDHN5c3RlbTpub2RlczEWMBQGA1UEAwwNc3lz
dGVtOm5vZGU6bjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAL6JAHzgZPzc/WH
kAzdVG++WXejir0nkVe+6NU0rrkXS1CmnptFykVk6jrPkCwPdJvptqVkyIXiEx8X
mdqZWrugADAKBggqhkjOPQQDAgNJADBGAiEA8SWVmn2l1LD3qulssybP2nyiYNVC
nTL4THdWSMukQIACIQDIMBBu9Qy+5vp540Z3L4E71eulvoI5WWWrILHOqR9XJg==
-----END CERTIFICATE REQUEST-----
`;

/** Where quotas, ranges and policies are, so that they do not stop what goes elsewhere. */
export const policed = 'policed';

const rich: Readonly<Record<string, Make>> = {
  '/v1/pods': () => ({ metadata: { labels }, spec: podSpec }),
  '/v1/bindings': () => ({ target: { kind: 'Node', name: 'n' } }),
  '/v1/namespaces': () => ({ spec: { finalizers: ['kubernetes'] } }),
  '/v1/nodes': () => ({
    metadata: { labels: { zone: '1' } },
    spec: {
      podCIDRs: ['10.9.0.0/24'],
      taints: [{ key: 'k', effect: 'NoSchedule' }],
      unschedulable: true,
      providerID: 'x',
    },
    status: { capacity: { cpu: '4' }, conditions: [{ type: 'Ready', status: 'True' }], images: [{ names: ['a'] }] },
  }),
  '/v1/services': c => ({
    spec: {
      ...{ type: c.pick(['ClusterIP', 'NodePort', 'LoadBalancer']), selector: labels, sessionAffinity: 'ClientIP' },
      ports: [
        { name: 'a', port: 80, targetPort: 'http' },
        { name: 'b', port: 81, protocol: 'UDP', appProtocol: 'example.com/x' },
      ],
      ...{ internalTrafficPolicy: 'Local', ipFamilyPolicy: 'PreferDualStack', publishNotReadyAddresses: true },
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } },
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1', ports: [{ port: 80, protocol: 'TCP' }] }] } },
  }),
  '/v1/replicationcontrollers': () => ({ spec: { replicas: 2, selector: labels, template } }),
  'apps/v1/deployments': () => ({
    spec: { replicas: 2, selector, template, strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } } },
  }),
  'apps/v1/replicasets': () => ({ spec: { replicas: 2, selector, template, minReadySeconds: 3 } }),
  'apps/v1/daemonsets': () => ({ spec: { selector, template, updateStrategy: { type: 'OnDelete' } } }),
  'apps/v1/statefulsets': () => ({
    spec: {
      ...{ serviceName: 's', selector, template, ordinals: { start: 3 }, podManagementPolicy: 'Parallel' },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } },
      volumeClaimTemplates: [{ metadata: { name: 'v' }, spec: samples['/v1/persistentvolumeclaims']!('', '').spec }],
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
    },
  }),
  'batch/v1/jobs': () => ({ spec: jobSpec }),
  'batch/v1/cronjobs': () => ({
    spec: { schedule: '0 0 * * 1-5', timeZone: 'Etc/UTC', concurrencyPolicy: 'Forbid', jobTemplate: { spec: jobSpec } },
  }),
  'autoscaling/v2/horizontalpodautoscalers': () => ({
    spec: {
      ...{ scaleTargetRef, maxReplicas: 3, minReplicas: 1 },
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'c', target } },
        { type: 'Pods', pods: { metric: metricRef, target } },
        {
          type: 'Object',
          object: { metric: metricRef, describedObject: scaleTargetRef, target: { type: 'Value', value: 1 } },
        },
        { type: 'External', external: { metric: metricRef, target } },
      ],
      behavior: { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 15 }], tolerance: '0.1' } },
    },
  }),
  'networking.k8s.io/v1/networkpolicies': () => ({
    spec: {
      podSelector: selector,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }, { namespaceSelector: selector }] },
      ],
      egress: [{ ports: [{ port: 80, endPort: 90, protocol: 'TCP' }], to: [{ podSelector: {} }] }],
    },
  }),
  'networking.k8s.io/v1/ingresses': () => ({
    spec: {
      ingressClassName: 'i',
      tls: [{ hosts: ['*.example.com'], secretName: 's' }],
      rules: [
        {
          host: '*.example.com',
          http: {
            paths: [{ path: '/a', pathType: 'Prefix', backend: { service: { name: 's', port: { name: 'http' } } } }],
          },
        },
      ],
    },
  }),
  'rbac.authorization.k8s.io/v1/clusterroles': () => ({
    aggregationRule: { clusterRoleSelectors: [selector] },
    rules: [
      { nonResourceURLs: ['/x/*'], verbs: ['*'] },
      { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'], resourceNames: ['a'] },
    ],
  }),
  'rbac.authorization.k8s.io/v1/clusterrolebindings': () => ({
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
    subjects: [
      { kind: 'User', name: 'fuzz', apiGroup: 'rbac.authorization.k8s.io' },
      { kind: 'ServiceAccount', name: 'default', namespace: 'default' },
    ],
  }),
  'certificates.k8s.io/v1/certificatesigningrequests': c => ({
    spec: {
      request: Buffer.from(signingRequest).toString('base64'),
      signerName: c.pick([
        'kubernetes.io/kube-apiserver-client-kubelet',
        'kubernetes.io/kubelet-serving',
        'example.com/s',
      ]),
      usages: ['client auth', 'digital signature'],
      expirationSeconds: 3600,
    },
    status: { conditions: [{ type: 'Approved', status: 'True', reason: 'r', message: 'm' }] },
  }),
  'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations': c => ({ webhooks: webhooks(c) }),
  'admissionregistration.k8s.io/v1/validatingwebhookconfigurations': c => ({ webhooks: webhooks(c) }),
  'admissionregistration.k8s.io/v1/validatingadmissionpolicies': c => ({
    spec: {
      ...policySpec(c),
      validations: [{ expression: c.pick(expressions), messageExpression: c.pick(expressions), reason: 'Forbidden' }],
      auditAnnotations: c.once(2) ? [{ key: 'a', valueExpression: c.pick(expressions) }] : [],
    },
  }),
  'admissionregistration.k8s.io/v1/mutatingadmissionpolicies': c => ({
    spec: {
      ...policySpec(c),
      reinvocationPolicy: c.pick(['Never', 'IfNeeded']),
      mutations: [
        { patchType: 'ApplyConfiguration', applyConfiguration: { expression: c.pick(expressions) } },
        { patchType: 'JSONPatch', jsonPatch: { expression: c.pick(expressions) } },
      ].slice(c.below(2)),
    },
  }),
  'admissionregistration.k8s.io/v1/validatingadmissionpolicybindings': (c, name) => ({
    spec: {
      policyName: name,
      validationActions: c.pick([['Deny'], ['Warn', 'Audit']]),
      ...(c.once(2) ? { paramRef: { namespace: 'default', selector: {}, parameterNotFoundAction: 'Deny' } } : {}),
      matchResources: { objectSelector: selector },
    },
  }),
  'admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings': (c, name) => ({
    spec: {
      policyName: name,
      ...(c.once(2) ? { paramRef: { name: 'one', namespace: 'default', parameterNotFoundAction: 'Allow' } } : {}),
    },
  }),
  'resource.k8s.io/v1/deviceclasses': c => ({
    spec: { selectors: selectors(c), config: [{ opaque: { driver: 'example.com', parameters: { a: 1 } } }] },
  }),
  'resource.k8s.io/v1/resourceclaims': c => ({
    spec: {
      devices: {
        requests: [
          {
            name: 'r',
            exactly: { deviceClassName: 'one', selectors: selectors(c), count: 2, allocationMode: 'ExactCount' },
          },
          { name: 's', firstAvailable: [{ name: 'a', deviceClassName: 'one' }] },
        ],
        constraints: [{ requests: ['r', 's/a'], matchAttribute: 'example.com/model' }],
        config: [{ requests: ['r'], opaque: { driver: 'example.com', parameters: { a: 1 } } }],
      },
    },
    status: {
      allocation: { devices: { results: [{ request: 'r', driver: 'example.com', pool: 'p', device: 'd' }] } },
      reservedFor: [{ resource: 'pods', name: 'one', uid: '1' }],
      devices: [{ driver: 'example.com', pool: 'p', device: 'd', networkData: { ips: ['192.0.2.1/24'] } }],
    },
  }),
  'resource.k8s.io/v1/resourceslices': (_, name) => ({
    spec: {
      ...{ driver: 'example.com', allNodes: true, pool: { name, generation: 1, resourceSliceCount: 1 } },
      devices: [
        {
          name: 'd',
          attributes: {
            model: { string: 'a' },
            size: { int: 3 },
            v: { version: '1.2.3' },
            'example.com/b': { bool: true },
          },
          capacity: { memory: { value: '1Gi' } },
          taints: [{ key: 'k', effect: 'NoSchedule' }],
        },
      ],
    },
  }),
  'discovery.k8s.io/v1/endpointslices': () => ({
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['192.0.2.1'], conditions: { ready: true }, nodeName: 'n', hints: { forZones: [{ name: 'z' }] } },
      { addresses: ['192.0.2.2'], targetRef: { kind: 'Pod', name: 'one' }, hostname: 'h' },
    ],
    ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: 'http' }, { name: '' }],
  }),
  'flowcontrol.apiserver.k8s.io/v1/flowschemas': () => ({
    spec: {
      ...{ priorityLevelConfiguration: { name: 'workload-low' }, matchingPrecedence: 900 },
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'fuzz' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        },
      ],
    },
  }),
  'apiregistration.k8s.io/v1/apiservices': () => ({
    spec: {
      ...{ group: 'one.example.com', version: 'v1', groupPriorityMinimum: 10, versionPriority: 10 },
      ...{ service: { name: 'none', namespace: 'default', port: 443 }, insecureSkipTLSVerify: true },
    },
  }),
  'authentication.k8s.io/v1/tokenreviews': () => ({ spec: { token: 'a.b.c', audiences: ['x'] } }),
  'authorization.k8s.io/v1/subjectaccessreviews': access,
  'authorization.k8s.io/v1/localsubjectaccessreviews': access,
  'authorization.k8s.io/v1/selfsubjectaccessreviews': access,
  'authorization.k8s.io/v1/selfsubjectrulesreviews': () => ({ spec: { namespace: 'default' } }),
};

/** Of subresources that are objects of another kind, by that kind. */
const ofSubresource: Readonly<Record<string, Make>> = {
  Scale: c => ({ spec: { replicas: c.below(9) } }),
  Binding: () => ({ target: { kind: 'Node', name: 'n', apiVersion: 'v1' } }),
  Eviction: c => ({ deleteOptions: { gracePeriodSeconds: c.below(3), dryRun: c.once(2) ? ['All'] : [] } }),
  TokenRequest: () => ({
    spec: {
      audiences: ['a'],
      expirationSeconds: 3600,
      boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'one', uid: '1' },
    },
  }),
};

/** A valid object of the resource, as far as this knows one; kind and name are the caller's. */
export function validObject(c: Chance, id: string, subresourceKind: string, name: string): any {
  const make = ofSubresource[subresourceKind] ?? (c.once(3) && samples[id] ? undefined : rich[id]);
  if (make) return structuredClone(make(c, name));
  const least = samples[id];
  return least ? structuredClone(least(c.pick(['one', 'two', 'three']), 'default')) : {};
}
