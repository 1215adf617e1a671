// Where kube-apiserver 1.36 puts its kinds in etcd, and in which version: written down from what its own test of storage
// expects, apart from the tables of src, which these tests are to check.

export interface StoredKind {
  /** Behind `/registry`. */
  readonly prefix: string;
  /** The version in etcd. */
  readonly apiVersion: string;
  readonly kind: string;
  /** As EncryptionConfiguration names it: `pods`, `deployments.apps`. */
  readonly resource: string;
  /** The versions it is served in by default, the preferred one first. */
  readonly served: readonly string[];
  readonly namespaced: boolean;
}

type Row = readonly [resource: string, kind: string, prefix?: string, ...served: string[]];

/** `prefix` '' is `/resource`; `served` is given where it is not the stored version alone. */
function group(apiVersion: string, namespaced: boolean, rows: readonly Row[]): StoredKind[] {
  const name = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  return rows.map(([resource, kind, prefix = '', ...served]) => ({
    prefix: prefix || `/${resource}`,
    apiVersion,
    kind,
    resource: name ? `${resource}.${name}` : resource,
    served: served.length ? served : [apiVersion],
    namespaced,
  }));
}

export const storedKinds: readonly StoredKind[] = [
  ...group('v1', true, [
    ['configmaps', 'ConfigMap'],
    ['endpoints', 'Endpoints', '/services/endpoints'],
    ['events', 'Event', '', 'v1', 'events.k8s.io/v1'],
    ['limitranges', 'LimitRange'],
    ['persistentvolumeclaims', 'PersistentVolumeClaim'],
    ['pods', 'Pod'],
    ['podtemplates', 'PodTemplate'],
    ['replicationcontrollers', 'ReplicationController', '/controllers'],
    ['resourcequotas', 'ResourceQuota'],
    ['secrets', 'Secret'],
    ['serviceaccounts', 'ServiceAccount'],
    ['services', 'Service', '/services/specs'],
  ]),
  ...group('v1', false, [
    ['namespaces', 'Namespace'],
    ['nodes', 'Node', '/minions'],
    ['persistentvolumes', 'PersistentVolume'],
  ]),
  ...group('apps/v1', true, [
    ['controllerrevisions', 'ControllerRevision'],
    ['daemonsets', 'DaemonSet'],
    ['deployments', 'Deployment'],
    ['replicasets', 'ReplicaSet'],
    ['statefulsets', 'StatefulSet'],
  ]),
  ...group('autoscaling/v2', true, [
    ['horizontalpodautoscalers', 'HorizontalPodAutoscaler', '', 'autoscaling/v2', 'autoscaling/v1'],
  ]),
  ...group('batch/v1', true, [
    ['cronjobs', 'CronJob'],
    ['jobs', 'Job'],
  ]),
  ...group('certificates.k8s.io/v1', false, [['certificatesigningrequests', 'CertificateSigningRequest']]),
  ...group('networking.k8s.io/v1', true, [
    ['ingresses', 'Ingress', '/ingress'],
    ['networkpolicies', 'NetworkPolicy'],
  ]),
  ...group('networking.k8s.io/v1', false, [
    ['ingressclasses', 'IngressClass'],
    ['ipaddresses', 'IPAddress'],
    ['servicecidrs', 'ServiceCIDR'],
  ]),
  ...group('policy/v1', true, [['poddisruptionbudgets', 'PodDisruptionBudget']]),
  ...group('rbac.authorization.k8s.io/v1', false, [
    ['clusterroles', 'ClusterRole'],
    ['clusterrolebindings', 'ClusterRoleBinding'],
  ]),
  ...group('rbac.authorization.k8s.io/v1', true, [
    ['roles', 'Role'],
    ['rolebindings', 'RoleBinding'],
  ]),
  ...group('storage.k8s.io/v1', false, [
    ['csidrivers', 'CSIDriver'],
    ['csinodes', 'CSINode'],
    ['storageclasses', 'StorageClass'],
    ['volumeattachments', 'VolumeAttachment'],
    ['volumeattributesclasses', 'VolumeAttributesClass'],
  ]),
  ...group('storage.k8s.io/v1', true, [['csistoragecapacities', 'CSIStorageCapacity']]),
  ...group('admissionregistration.k8s.io/v1', false, [
    ['mutatingwebhookconfigurations', 'MutatingWebhookConfiguration'],
    ['validatingwebhookconfigurations', 'ValidatingWebhookConfiguration'],
    ['validatingadmissionpolicies', 'ValidatingAdmissionPolicy'],
    ['validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding'],
  ]),
  // General since 1.36: for one release the version before stays in etcd, which 1.35 can read.
  ...group('admissionregistration.k8s.io/v1beta1', false, [
    ['mutatingadmissionpolicies', 'MutatingAdmissionPolicy', '', 'admissionregistration.k8s.io/v1'],
    ['mutatingadmissionpolicybindings', 'MutatingAdmissionPolicyBinding', '', 'admissionregistration.k8s.io/v1'],
  ]),
  ...group('scheduling.k8s.io/v1', false, [['priorityclasses', 'PriorityClass']]),
  ...group('coordination.k8s.io/v1', true, [['leases', 'Lease']]),
  ...group('node.k8s.io/v1', false, [['runtimeclasses', 'RuntimeClass']]),
  ...group('discovery.k8s.io/v1', true, [['endpointslices', 'EndpointSlice']]),
  ...group('resource.k8s.io/v1', false, [
    ['deviceclasses', 'DeviceClass'],
    ['resourceslices', 'ResourceSlice'],
  ]),
  ...group('resource.k8s.io/v1', true, [
    ['resourceclaims', 'ResourceClaim'],
    ['resourceclaimtemplates', 'ResourceClaimTemplate'],
  ]),
  ...group('flowcontrol.apiserver.k8s.io/v1', false, [
    ['flowschemas', 'FlowSchema'],
    ['prioritylevelconfigurations', 'PriorityLevelConfiguration'],
  ]),
  ...group('apiregistration.k8s.io/v1', false, [['apiservices', 'APIService', '/apiregistration.k8s.io/apiservices']]),
  // Not served since 1.22, and still what lies there.
  ...group('apiextensions.k8s.io/v1beta1', false, [
    [
      'customresourcedefinitions',
      'CustomResourceDefinition',
      '/apiextensions.k8s.io/customresourcedefinitions',
      'apiextensions.k8s.io/v1',
    ],
  ]),
];

export const rangeAllocations: StoredKind = {
  prefix: '/ranges',
  apiVersion: 'v1',
  kind: 'RangeAllocation',
  resource: 'servicenodeportallocations',
  served: [],
  namespaced: false,
};

/** Endpoints, one a server. */
export const masterLeases: StoredKind = {
  prefix: '/masterleases',
  apiVersion: 'v1',
  kind: 'Endpoints',
  resource: 'apiServerIPInfo',
  served: [],
  namespaced: false,
};

export const kindOf = (resource: string): StoredKind => {
  const found = storedKinds.find(k => k.resource === resource);
  if (!found) throw new Error(`no such kind: ${resource}`);
  return found;
};

/** Versions objects may lie in since nobody has written them for a while. */
export const earlierVersions: readonly (readonly [apiVersion: string, ...resources: string[]])[] = [
  [
    'admissionregistration.k8s.io/v1beta1',
    ...['mutatingwebhookconfigurations', 'validatingwebhookconfigurations', 'validatingadmissionpolicies'].map(
      r => `${r}.admissionregistration.k8s.io`,
    ),
  ],
  ['admissionregistration.k8s.io/v1alpha1', 'mutatingadmissionpolicies.admissionregistration.k8s.io'],
  ['autoscaling/v2beta2', 'horizontalpodautoscalers.autoscaling'],
  ['batch/v1beta1', 'cronjobs.batch'],
  ['certificates.k8s.io/v1beta1', 'certificatesigningrequests.certificates.k8s.io'],
  ['coordination.k8s.io/v1beta1', 'leases.coordination.k8s.io'],
  [
    'flowcontrol.apiserver.k8s.io/v1beta3',
    'flowschemas.flowcontrol.apiserver.k8s.io',
    'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io',
  ],
  ['networking.k8s.io/v1beta1', 'ipaddresses.networking.k8s.io', 'servicecidrs.networking.k8s.io'],
  ['node.k8s.io/v1beta1', 'runtimeclasses.node.k8s.io'],
  ['policy/v1beta1', 'poddisruptionbudgets.policy'],
  [
    'rbac.authorization.k8s.io/v1beta1',
    ...['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map(r => `${r}.rbac.authorization.k8s.io`),
  ],
  ['resource.k8s.io/v1beta2', 'resourceclaims.resource.k8s.io', 'resourceslices.resource.k8s.io'],
  ['scheduling.k8s.io/v1beta1', 'priorityclasses.scheduling.k8s.io'],
  [
    'storage.k8s.io/v1beta1',
    ...[
      'csidrivers',
      'csinodes',
      'csistoragecapacities',
      'storageclasses',
      'volumeattachments',
      'volumeattributesclasses',
    ].map(r => `${r}.storage.k8s.io`),
  ],
];
