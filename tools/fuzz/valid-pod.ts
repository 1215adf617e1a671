// A pod that uses much of what pods can say, and what is made of such pods.
import { samples } from '../../src/apiserver/test-samples.ts';

export const labels = { app: 'a', 'example.com/tier': 'web' };
export const selector = {
  matchLabels: { app: 'a' },
  matchExpressions: [
    { key: 'example.com/tier', operator: 'In', values: ['web', 'db'] },
    { key: 'gone', operator: 'DoesNotExist' },
  ],
};
const probe = { httpGet: { path: '/', port: 'http', scheme: 'HTTPS', httpHeaders: [{ name: 'X-A', value: 'b' }] } };
const term = { labelSelector: selector, topologyKey: 'kubernetes.io/hostname', namespaces: ['default'] };
const match = { matchExpressions: [{ key: 'zone', operator: 'Gt', values: ['1'] }] };
const container = {
  ...{ name: 'c', image: 'registry.example/web:1', command: ['a'], args: ['$(A)'], workingDir: '/w' },
  ports: [{ name: 'http', containerPort: 80, protocol: 'TCP', hostPort: 8080 }],
  env: [
    { name: 'A', value: 'x' },
    { name: 'B', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
    { name: 'C', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
    { name: 'D', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } },
  ],
  envFrom: [{ prefix: 'P_', configMapRef: { name: 'm' } }],
  resources: { limits: { cpu: '1', memory: '1Gi', 'example.com/gpu': '1' }, requests: { cpu: '100m', memory: '10Mi' } },
  resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
  volumeMounts: [
    { name: 'data', mountPath: '/data', subPathExpr: '$(A)' },
    { name: 'all', mountPath: '/all', readOnly: true, recursiveReadOnly: 'IfPossible', mountPropagation: 'None' },
  ],
  livenessProbe: { ...probe, initialDelaySeconds: 1, periodSeconds: 5, terminationGracePeriodSeconds: 3 },
  readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 },
  startupProbe: { exec: { command: ['true'] } },
  lifecycle: { preStop: { sleep: { seconds: 3 } }, postStart: { exec: { command: ['a'] } } },
  securityContext: { runAsUser: 1, capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] }, privileged: false },
};
export const podSpec = {
  containers: [container, { name: 'd', image: 'b', terminationMessagePolicy: 'FallbackToLogsOnError' }],
  initContainers: [{ name: 'i', image: 'b', restartPolicy: 'Always' }],
  volumes: [
    { name: 'data', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
    {
      name: 'all',
      projected: {
        sources: [
          { serviceAccountToken: { path: 't', expirationSeconds: 3600, audience: 'a' } },
          { configMap: { name: 'm', items: [{ key: 'k', path: 'p', mode: 256 }] } },
          { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        ],
      },
    },
    { name: 'claim', persistentVolumeClaim: { claimName: 'one' } },
    { name: 'own', ephemeral: { volumeClaimTemplate: { spec: samples['/v1/persistentvolumeclaims']!('', '').spec } } },
    { name: 'csi', csi: { driver: 'example.com', volumeAttributes: { a: 'b' } } },
    { name: 'host', hostPath: { path: '/tmp/x', type: 'DirectoryOrCreate' } },
  ],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [match] },
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, preference: match }],
    },
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] },
    podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }] },
  },
  tolerations: [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute', tolerationSeconds: 3 }],
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: selector, minDomains: 2 },
  ],
  securityContext: { fsGroup: 1, sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }], supplementalGroups: [1] },
  hostAliases: [{ ip: '192.0.2.1', hostnames: ['a'] }],
  dnsPolicy: 'None',
  dnsConfig: { nameservers: ['192.0.2.1'], searches: ['a'], options: [{ name: 'ndots', value: '2' }] },
  readinessGates: [{ conditionType: 'example.com/ready' }],
  schedulingGates: [{ name: 'example.com/gate' }],
  resourceClaims: [{ name: 'r', resourceClaimName: 'one' }],
  overhead: { cpu: '1m' },
  hostname: 'h',
  subdomain: 's',
  terminationGracePeriodSeconds: 5,
  automountServiceAccountToken: false,
};
const { hostPort: _, ...port } = container.ports[0]!;
export const template = {
  metadata: { labels, annotations: { a: 'b' } },
  spec: { ...podSpec, overhead: undefined, containers: [{ ...container, ports: [port] }] },
};
export const jobSpec = {
  ...{ parallelism: 2, completions: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1, maxFailedIndexes: 2 },
  template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } },
  podFailurePolicy: {
    rules: [
      { action: 'FailJob', onExitCodes: { containerName: 'c', operator: 'In', values: [1, 2] } },
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    ],
  },
  successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 1 }] },
};
