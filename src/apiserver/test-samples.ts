// The least object of every kind served by default, by `group/version/resource`.
import { generateKeyPairSync } from 'node:crypto';
import { builtinResources, type Resource } from '../api/resource.ts';
import { emptyCertificateRequest } from '../base/certificate-request.ts';
import { pemText } from '../base/pem.ts';

type Sample = (name: string, namespace: string) => any;

const template = {
  metadata: { labels: { app: 'a' } },
  spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }] },
};
const jobTemplate = { spec: { ...template.spec, restartPolicy: 'Never' } };
const selector = { matchLabels: { app: 'a' } };
const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
const webhooks = [
  {
    name: 'w.example.com',
    clientConfig: { url: 'https://127.0.0.1:1/none' },
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    rules: [{ apiGroups: ['none.example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['nothings'] }],
  },
];
const matchConstraints = {
  resourceRules: [
    { apiGroups: ['none.example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['nothings'] },
  ],
};
const signingRequest = pemText(
  'CERTIFICATE REQUEST',
  emptyCertificateRequest(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
);
const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const deviceRequests = [{ name: 'r', exactly: { deviceClassName: 'gpu.example.com' } }];
const eventOf = (name: string) => ({ metadata: { name }, reason: 'Tested', type: 'Normal' });
const ordinal: Readonly<Record<string, number>> = { one: 1, two: 2, three: 3 };

export const samples: Readonly<Record<string, Sample>> = {
  '/v1/configmaps': () => ({ data: { k: 'v' } }),
  '/v1/endpoints': () => ({ subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }] }),
  '/v1/events': (name, namespace) => ({
    ...eventOf(name),
    involvedObject: { kind: 'Pod', name: 'p', namespace },
    message: 'm',
  }),
  '/v1/limitranges': () => ({ spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } }),
  '/v1/nodes': () => ({}),
  '/v1/persistentvolumeclaims': () => ({ spec: claimSpec }),
  '/v1/persistentvolumes': () => ({
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/tmp/x' } },
  }),
  '/v1/pods': () => ({ spec: { ...template.spec, automountServiceAccountToken: false } }),
  '/v1/podtemplates': () => ({ template }),
  '/v1/replicationcontrollers': () => ({ spec: { replicas: 1, selector: { app: 'a' }, template } }),
  '/v1/resourcequotas': () => ({ spec: { hard: { pods: '7' } } }),
  '/v1/secrets': () => ({ data: { k: 'dg==' } }),
  '/v1/serviceaccounts': () => ({}),
  '/v1/services': () => ({ spec: { ports: [{ port: 80 }], selector: { app: 'a' } } }),
  'apps/v1/controllerrevisions': () => ({ revision: 1, data: { spec: {} } }),
  'apps/v1/daemonsets': () => ({ spec: { selector, template } }),
  'apps/v1/deployments': () => ({ spec: { selector, template } }),
  'apps/v1/replicasets': () => ({ spec: { selector, template } }),
  'apps/v1/statefulsets': () => ({ spec: { serviceName: 's', selector, template } }),
  'events.k8s.io/v1/events': (name, namespace) => ({
    ...eventOf(name),
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', name: 'p', namespace },
    action: 'Testing',
    reportingController: 'example.com/test',
    reportingInstance: 'test-1',
  }),
  'autoscaling/v1/horizontalpodautoscalers': () => ({ spec: { scaleTargetRef, maxReplicas: 3 } }),
  'autoscaling/v2/horizontalpodautoscalers': () => ({ spec: { scaleTargetRef, maxReplicas: 3 } }),
  'batch/v1/cronjobs': () => ({ spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: jobTemplate } } } }),
  'batch/v1/jobs': () => ({ spec: { template: jobTemplate } }),
  'certificates.k8s.io/v1/certificatesigningrequests': () => ({
    spec: {
      request: Buffer.from(signingRequest).toString('base64'),
      signerName: 'example.com/s',
      usages: ['client auth'],
    },
  }),
  'networking.k8s.io/v1/ingressclasses': () => ({ spec: { controller: 'example.com/c' } }),
  'networking.k8s.io/v1/ingresses': () => ({
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  }),
  'networking.k8s.io/v1/ipaddresses': name => ({
    metadata: { name: `192.0.2.${ordinal[name]}` },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 's' } },
  }),
  'networking.k8s.io/v1/networkpolicies': () => ({ spec: { podSelector: {} } }),
  'networking.k8s.io/v1/servicecidrs': name => ({ spec: { cidrs: [`198.51.100.${ordinal[name]! * 32}/27`] } }),
  'policy/v1/poddisruptionbudgets': () => ({ spec: { minAvailable: 1, selector } }),
  'rbac.authorization.k8s.io/v1/clusterroles': () => ({ rules }),
  'rbac.authorization.k8s.io/v1/roles': () => ({ rules }),
  'rbac.authorization.k8s.io/v1/clusterrolebindings': () => ({
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  }),
  'rbac.authorization.k8s.io/v1/rolebindings': () => ({
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  }),
  'storage.k8s.io/v1/csidrivers': () => ({ spec: {} }),
  'storage.k8s.io/v1/csinodes': () => ({ spec: { drivers: [] } }),
  'storage.k8s.io/v1/csistoragecapacities': () => ({ storageClassName: 's' }),
  'storage.k8s.io/v1/storageclasses': () => ({ provisioner: 'example.com/p' }),
  'storage.k8s.io/v1/volumeattachments': () => ({
    spec: { attacher: 'example.com', nodeName: 'n', source: { persistentVolumeName: 'pv' } },
  }),
  'storage.k8s.io/v1/volumeattributesclasses': () => ({ driverName: 'example.com', parameters: { a: 'b' } }),
  'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations': () => ({ webhooks }),
  'admissionregistration.k8s.io/v1/validatingwebhookconfigurations': () => ({ webhooks }),
  'admissionregistration.k8s.io/v1/validatingadmissionpolicies': () => ({
    spec: { matchConstraints, validations: [{ expression: 'true' }] },
  }),
  'admissionregistration.k8s.io/v1/validatingadmissionpolicybindings': () => ({
    spec: { policyName: 'none', validationActions: ['Deny'] },
  }),
  'admissionregistration.k8s.io/v1/mutatingadmissionpolicies': () => ({
    spec: {
      matchConstraints,
      reinvocationPolicy: 'Never',
      mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } }],
    },
  }),
  'admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings': () => ({ spec: { policyName: 'none' } }),
  'scheduling.k8s.io/v1/priorityclasses': () => ({ value: 10 }),
  'coordination.k8s.io/v1/leases': () => ({ spec: { holderIdentity: 'h', leaseDurationSeconds: 30 } }),
  'node.k8s.io/v1/runtimeclasses': () => ({ handler: 'runc' }),
  'discovery.k8s.io/v1/endpointslices': () => ({
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'] }],
    ports: [{ name: 'http', port: 80 }],
  }),
  'resource.k8s.io/v1/deviceclasses': () => ({ spec: {} }),
  'resource.k8s.io/v1/resourceclaims': () => ({ spec: { devices: { requests: deviceRequests } } }),
  'resource.k8s.io/v1/resourceclaimtemplates': () => ({ spec: { spec: { devices: { requests: deviceRequests } } } }),
  'resource.k8s.io/v1/resourceslices': name => ({
    spec: {
      driver: 'example.com',
      nodeName: 'n',
      pool: { name, generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'd' }],
    },
  }),
  'flowcontrol.apiserver.k8s.io/v1/flowschemas': () => ({
    spec: { priorityLevelConfiguration: { name: 'global-default' }, matchingPrecedence: 900 },
  }),
  'flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations': () => ({
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
  }),
};

const extensions = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);

/** Every kind that is served by default and whose objects are made, changed and deleted as any others. */
export const sampledKinds: readonly Resource[] = builtinResources().resources.filter(
  r => r.onByDefault && r.verbs.includes('deletecollection') && !extensions.has(r.group),
);
