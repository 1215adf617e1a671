// The short names that --controllers took before Kubernetes 1.28, and still takes.
export const controllerAliases: Readonly<Record<string, string>> = {
  'serviceaccount-token': 'serviceaccount-token-controller',
  endpoint: 'endpoints-controller',
  endpointslice: 'endpointslice-controller',
  endpointslicemirroring: 'endpointslice-mirroring-controller',
  replicationcontroller: 'replicationcontroller-controller',
  podgc: 'pod-garbage-collector-controller',
  resourcequota: 'resourcequota-controller',
  namespace: 'namespace-controller',
  serviceaccount: 'serviceaccount-controller',
  garbagecollector: 'garbage-collector-controller',
  daemonset: 'daemonset-controller',
  job: 'job-controller',
  deployment: 'deployment-controller',
  replicaset: 'replicaset-controller',
  horizontalpodautoscaling: 'horizontal-pod-autoscaler-controller',
  disruption: 'disruption-controller',
  statefulset: 'statefulset-controller',
  cronjob: 'cronjob-controller',
  csrsigning: 'certificatesigningrequest-signing-controller',
  csrapproving: 'certificatesigningrequest-approving-controller',
  csrcleaner: 'certificatesigningrequest-cleaner-controller',
  ttl: 'ttl-controller',
  bootstrapsigner: 'bootstrap-signer-controller',
  tokencleaner: 'token-cleaner-controller',
  nodeipam: 'node-ipam-controller',
  nodelifecycle: 'node-lifecycle-controller',
  service: 'service-lb-controller',
  route: 'node-route-controller',
  'cloud-node-lifecycle': 'cloud-node-lifecycle-controller',
  'persistentvolume-binder': 'persistentvolume-binder-controller',
  attachdetach: 'persistentvolume-attach-detach-controller',
  'persistentvolume-expander': 'persistentvolume-expander-controller',
  'clusterrole-aggregation': 'clusterrole-aggregation-controller',
  'pvc-protection': 'persistentvolumeclaim-protection-controller',
  'pv-protection': 'persistentvolume-protection-controller',
  'ttl-after-finished': 'ttl-after-finished-controller',
  'root-ca-cert-publisher': 'root-ca-certificate-publisher-controller',
  'ephemeral-volume': 'ephemeral-volume-controller',
  'storage-version-gc': 'storageversion-garbage-collector-controller',
  'legacy-service-account-token-cleaner': 'legacy-serviceaccount-token-cleaner-controller',
  'validatingadmissionpolicy-status': 'validatingadmissionpolicy-status-controller',
  resourceclaim: 'resourceclaim-controller',
};

/** Names of controllers that came after short names went. */
const laterControllers: readonly string[] = [
  'taint-eviction-controller',
  'device-taint-eviction-controller',
  'volumeattributesclass-protection-controller',
  'service-cidr-controller',
  'kube-apiserver-serving-clustertrustbundle-publisher-controller',
  'podcertificaterequest-cleaner-controller',
  'resource-pool-status-request-controller',
  'selinux-warning-controller',
  'storage-version-migrator-controller',
];

/** Every name --controllers may say, of controllers that are not there or cannot run here as well. */
export const knownControllers: ReadonlySet<string> = new Set([
  ...Object.values(controllerAliases),
  ...laterControllers,
]);

/** What `*` does not include in kube-controller-manager. */
export const controllersOffByDefault: readonly string[] = [
  'bootstrap-signer-controller',
  'token-cleaner-controller',
  'selinux-warning-controller',
];

/** Short names made long, their `-` kept. */
export const longControllerNames = (select: readonly string[]): string[] =>
  select.map(item => {
    const off = item.startsWith('-');
    const name = off ? item.slice(1) : item;
    return `${off ? '-' : ''}${Object.hasOwn(controllerAliases, name) ? controllerAliases[name] : name}`;
  });
