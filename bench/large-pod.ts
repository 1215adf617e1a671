// A pod as a Deployment leaves it on a node, about 4.7 KB of JSON with managedFields.

const container = (name: string, port: number) => ({
  name,
  image: `registry.example/team/${name}:1.27.3`,
  args: ['--listen', `:${port}`, '--log-level=info'],
  ports: [
    { name: 'http', containerPort: port, protocol: 'TCP' },
    { name: 'metrics', containerPort: port + 1, protocol: 'TCP' },
  ],
  env: [
    { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
    { name: 'MODE', value: 'production' },
  ],
  resources: { limits: { cpu: '500m', memory: '256Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
  volumeMounts: [
    { name: 'config', readOnly: true, mountPath: '/etc/config' },
    { name: 'kube-api-access-x2x4v', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ],
  readinessProbe: {
    httpGet: { path: '/ready', port: 'http', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  },
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: 'IfNotPresent',
  securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false },
});

const condition = (type: string) => ({
  type,
  status: 'True',
  lastProbeTime: null,
  lastTransitionTime: '2026-01-02T03:04:05Z',
});

const running = (name: string) => ({
  name,
  state: { running: { startedAt: '2026-01-02T03:04:05Z' } },
  lastState: {},
  ready: true,
  restartCount: 0,
  image: `registry.example/team/${name}:1.27.3`,
  imageID: `registry.example/team/${name}@sha256:0d17b565c37bcbd895e9d92315a05c1c3c9a29f762b011a10c54a66cd53d9b31`,
  containerID: 'containerd://7f0c4e1e8f3b1f4f0e4cc2a0e7a4f2f6c9b7fa4f3aa0a9b5f8c1d2e3f4a5b6c7',
  started: true,
});

const metadata = () => ({
  name: 'web-7d4b9c6f5d-x2x4v',
  generateName: 'web-7d4b9c6f5d-',
  namespace: 'shop',
  uid: '0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0',
  resourceVersion: '123456',
  generation: 1,
  creationTimestamp: '2026-01-02T03:04:00Z',
  labels: { app: 'web', 'pod-template-hash': '7d4b9c6f5d', tier: 'front' },
  annotations: { 'example.com/checksum': 'b5f8c1d2e3f4a5b6c7' },
  ownerReferences: [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web-7d4b9c6f5d',
      uid: '5f6e7d8c-9bab-c0d1-e2f3-041526374859',
      controller: true,
      blockOwnerDeletion: true,
    },
  ],
  managedFields: [
    {
      manager: 'kube-controller-manager',
      operation: 'Update',
      apiVersion: 'v1',
      time: '2026-01-02T03:04:00Z',
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:generateName': {}, 'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} } },
        'f:spec': { 'f:dnsPolicy': {}, 'f:restartPolicy': {}, 'f:schedulerName': {} },
      },
    },
  ],
});

/** A fresh copy each time. */
export function largePod() {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: metadata(),
    spec: {
      volumes: [
        { name: 'config', configMap: { name: 'web-config', defaultMode: 420 } },
        {
          name: 'kube-api-access-x2x4v',
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            ],
            defaultMode: 420,
          },
        },
      ],
      containers: [container('web', 8080), container('sidecar', 9090)],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'web',
      serviceAccount: 'web',
      nodeName: 'node-1',
      securityContext: {},
      schedulerName: 'default-scheduler',
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      ],
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: {
      observedGeneration: 1,
      phase: 'Running',
      conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
        condition,
      ),
      hostIP: '10.0.0.1',
      hostIPs: [{ ip: '10.0.0.1' }],
      podIP: '10.244.1.17',
      podIPs: [{ ip: '10.244.1.17' }],
      startTime: '2026-01-02T03:04:00Z',
      containerStatuses: [running('sidecar'), running('web')],
      qosClass: 'Burstable',
    },
  };
}
