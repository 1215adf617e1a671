// Objects of what runs, with its network, nodes and volumes, in some states, and the cells they show.
import { ago, deleted, is, justAge, named, type State, selector } from './test-cells.ts';

const template = {
  metadata: { labels: { b: '2', a: '1' } },
  spec: {
    nodeSelector: { disk: 'ssd', arch: 'arm' },
    containers: [
      { name: 'c', image: 'i:1' },
      { name: 'd', image: 'j' },
    ],
  },
};
const empty = { metadata: {}, spec: { containers: [] } };
export const workloadStates: Readonly<Record<string, readonly State[]>> = {
  Pod: [
    [{ spec: { containers: [] }, status: {} }, 'x', '0/0', '', '0', '5m', '<none>', '<none>', '<none>', '<none>'],
    [
      {
        spec: { containers: [{ name: 'a' }, { name: 'b' }], nodeName: 'n1', readinessGates: [{ conditionType: 'g' }] },
        status: {
          phase: 'Running',
          conditions: [is('g')],
          podIPs: [{ ip: '10.1.1.1' }, { ip: 'fd00::1' }],
          nominatedNodeName: 'n2',
          containerStatuses: [
            { name: 'a', ready: true, restartCount: 2, state: { running: {} } },
            { name: 'b', ready: false, restartCount: 1, state: { waiting: { reason: 'CrashLoopBackOff' } } },
          ],
        },
      },
      ...['x', '1/2', 'CrashLoopBackOff', '3', '5m', '10.1.1.1', 'n1', 'n2', '1/1'],
    ],
  ],
  PodTemplate: [
    [{ template }, 'x', 'c,d', 'i:1,j', 'a=1,b=2'],
    [{ template: empty }, 'x', '', '', '<none>'],
  ],
  PodDisruptionBudget: [
    [{ spec: {} }, 'x', 'N/A', 'N/A', 0, '5m'],
    [{ spec: { minAvailable: 2 }, status: { disruptionsAllowed: 1 } }, 'x', '2', 'N/A', 1, '5m'],
    [{ spec: { maxUnavailable: '30%' } }, 'x', 'N/A', '30%', 0, '5m'],
  ],
  ReplicationController: [
    [{ spec: { template: empty } }, 'x', 0, 0, 0, '5m', '', '', '<none>'],
    [
      { spec: { replicas: 3, template, selector: { b: '2', a: '1' } }, status: { replicas: 2, readyReplicas: 1 } },
      ...['x', 3, 2, 1, '5m', 'c,d', 'i:1,j', 'a=1,b=2'],
    ],
  ],
  ReplicaSet: [
    [{ spec: { template: empty, selector: {} } }, 'x', 0, 0, 0, '5m', '', '', '<none>'],
    [
      { spec: { replicas: 3, template, selector }, status: { replicas: 2, readyReplicas: 1 } },
      ...['x', 3, 2, 1, '5m', 'c,d', 'i:1,j', 'a=1,b=2,k'],
    ],
  ],
  DaemonSet: [
    [{ spec: { template: empty, selector: {} } }, 'x', 0, 0, 0, 0, 0, '<none>', '5m', '', '', '<none>'],
    [
      {
        spec: { template, selector },
        status: {
          desiredNumberScheduled: 5,
          currentNumberScheduled: 4,
          numberReady: 3,
          updatedNumberScheduled: 2,
          numberAvailable: 1,
        },
      },
      ...['x', 5, 4, 3, 2, 1, 'arch=arm,disk=ssd', '5m', 'c,d', 'i:1,j', 'a=1,b=2,k'],
    ],
  ],
  Job: [
    [{ spec: { template: empty } }, 'x', 'Running', '0/1', '', '5m', '', '', '<none>'],
    [
      {
        spec: { completions: 4, template, selector },
        status: { succeeded: 4, startTime: ago(200), completionTime: ago(110), conditions: [is('Complete')] },
      },
      ...['x', 'Complete', '4/4', '90s', '5m', 'c,d', 'i:1,j', 'a=1,b=2,k'],
    ],
    [
      { ...deleted, spec: { parallelism: 3, template: empty }, status: { succeeded: 1, startTime: ago(200) } },
      ...['x', 'Terminating', '1/1 of 3', '3m20s', '5m', '', '', '<none>'],
    ],
    ...(['Failed', 'Suspended', 'FailureTarget', 'SuccessCriteriaMet'] as const).map(
      (type): State => [
        { spec: { parallelism: 1, template: empty }, status: { conditions: [is(type)] } },
        ...['x', type, '0/1', '', '5m', '', '', '<none>'],
      ],
    ),
  ],
  CronJob: [
    [
      { spec: { schedule: '@daily', jobTemplate: { spec: { template: empty } } } },
      ...['x', '@daily', '<none>', '<unset>', 0, '<none>', '5m', '', '', '<none>'],
    ],
    [
      {
        spec: {
          schedule: '1 * * * *',
          timeZone: 'Etc/UTC',
          suspend: false,
          jobTemplate: { spec: { template, selector } },
        },
        status: { active: [{}, {}], lastScheduleTime: ago(60) },
      },
      ...['x', '1 * * * *', 'Etc/UTC', 'False', 2, '60s', '5m', 'c,d', 'i:1,j', 'a=1,b=2,k'],
    ],
  ],
  Service: [
    [{ spec: { type: 'ClusterIP' } }, 'x', 'ClusterIP', '<none>', '<none>', '<none>', '5m', '<none>'],
    [
      {
        spec: {
          type: 'NodePort',
          clusterIPs: ['10.0.0.1', 'fd00::1'],
          externalIPs: ['1.1.1.1'],
          ports: [
            { port: 80, nodePort: 30080, protocol: 'TCP' },
            { port: 53, protocol: 'UDP' },
          ],
          selector: { b: '2', a: '1' },
        },
      },
      ...['x', 'NodePort', '10.0.0.1', '1.1.1.1', '80:30080/TCP,53/UDP', '5m', 'a=1,b=2'],
    ],
  ],
  Ingress: [
    [{ spec: {} }, 'x', '<none>', '*', '', '80', '5m'],
    [
      {
        spec: { ingressClassName: 'nginx', tls: [{}], rules: ['a', 'b', 'c', 'd'].map(host => ({ host })) },
        status: { loadBalancer: { ingress: [{ hostname: 'z' }, { ip: '1.2.3.4' }] } },
      },
      ...['x', 'nginx', 'a,b,c + 1 more...', '1.2.3.4,z', '80, 443', '5m'],
    ],
  ],
  IngressClass: [
    [{ spec: { controller: 'a/b' } }, 'x', 'a/b', '<none>', '5m'],
    [{ spec: { controller: 'c', parameters: { kind: 'K', name: 'p' } } }, 'x', 'c', 'K/p', '5m'],
    [
      {
        ...named({ annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } }),
        spec: { controller: 'c', parameters: { apiGroup: 'g.io', kind: 'K', name: 'p' } },
      },
      ...['x (default)', 'c', 'K.g.io/p', '5m'],
    ],
  ],
  StatefulSet: [
    [{ spec: { template: empty } }, 'x', '0/0', '5m', '', ''],
    [{ spec: { replicas: 3, template }, status: { readyReplicas: 1 } }, 'x', '1/3', '5m', 'c,d', 'i:1,j'],
  ],
  Endpoints: [
    [{}, 'x', '<none>', '5m'],
    [{ subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] }, 'x', '10.0.0.1:80', '5m'],
  ],
  Node: [
    [{}, 'x', 'Unknown', '<none>', '5m', '', '<none>', '<none>', '<unknown>', '<unknown>', '<unknown>'],
    [
      {
        ...named({ labels: { 'node-role.kubernetes.io/control-plane': '' } }),
        spec: { unschedulable: true },
        status: {
          conditions: [is('Ready')],
          addresses: [
            { type: 'ExternalIP', address: '9.9.9.9' },
            { type: 'InternalIP', address: '10.0.0.1' },
            { type: 'InternalIP', address: '10.0.0.2' },
          ],
          nodeInfo: {
            kubeletVersion: 'v1.36.2',
            osImage: 'Debian',
            kernelVersion: '6.1',
            architecture: 'amd64',
            containerRuntimeVersion: 'containerd://2',
          },
        },
      },
      ...['x', 'Ready,SchedulingDisabled', 'control-plane', '5m', 'v1.36.2', '10.0.0.1', '9.9.9.9', 'Debian'],
      ...['6.1 (amd64)', 'containerd://2'],
    ],
  ],
  Event: [
    [{ firstTimestamp: ago(7), involvedObject: {} }, '7s', '', '', '/', '', '', '', '7s', 1, 'x'],
    [
      {
        type: 'Warning',
        reason: 'BackOff',
        involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{c}' },
        source: { component: 'kubelet', host: 'h' },
        message: ' no\n',
        firstTimestamp: ago(600),
        lastTimestamp: ago(60),
        count: 4,
      },
      ...['60s', 'Warning', 'BackOff', 'pod/p', 'spec.containers{c}', 'kubelet, h', 'no', '10m', 4, 'x'],
    ],
  ],
  Namespace: [
    [{ status: { phase: 'Active' } }, 'x', 'Active', '5m'],
    [{ ...deleted, status: { phase: 'Terminating' } }, 'x', 'Terminating', '5m'],
  ],
  Secret: [
    [{ type: 'Opaque' }, 'x', 'Opaque', 0, '5m'],
    [{ type: 'kubernetes.io/tls', data: { a: '', b: '' } }, 'x', 'kubernetes.io/tls', 2, '5m'],
  ],
  ServiceAccount: justAge,
  PersistentVolume: [
    [{ spec: {} }, 'x', '0', '', '', '', '', '', '<unset>', '', '5m', '<unset>'],
    [
      {
        ...named({ annotations: { 'volume.beta.kubernetes.io/storage-class': 'old' }, deletionTimestamp: ago(1) }),
        spec: {
          capacity: { storage: '5Gi' },
          accessModes: ['ReadWriteOncePod', 'ReadWriteMany', 'ReadOnlyMany', 'ReadWriteOnce'],
          persistentVolumeReclaimPolicy: 'Delete',
          claimRef: { namespace: 'n', name: 'c' },
          storageClassName: 'new',
          volumeAttributesClassName: 'gold',
          volumeMode: 'Block',
        },
        status: { phase: 'Failed', reason: 'Lost' },
      },
      ...['x', '5Gi', 'RWO,ROX,RWX,RWOP', 'Delete', 'Terminating', 'n/c', 'old', 'gold', 'Lost', '5m', 'Block'],
    ],
  ],
  PersistentVolumeClaim: [
    [
      { spec: { accessModes: ['ReadWriteOnce'] }, status: { phase: 'Pending', capacity: { storage: '1Gi' } } },
      ...['x', 'Pending', '', '', '', '', '<unset>', '5m', '<unset>'],
    ],
    [
      {
        spec: { volumeName: 'v', storageClassName: 's', volumeAttributesClassName: 'gold', volumeMode: 'Filesystem' },
        status: { phase: 'Bound', capacity: { storage: '2Gi' }, accessModes: ['ReadWriteMany'] },
      },
      ...['x', 'Bound', 'v', '2Gi', 'RWX', 's', 'gold', '5m', 'Filesystem'],
    ],
  ],
  ComponentStatus: [
    [{}, 'x', 'Unknown', '', ''],
    [{ conditions: [is('Healthy', 'True', { message: 'ok' })] }, 'x', 'Healthy', 'ok', ''],
    [{ conditions: [is('Healthy', 'False', { message: 'm', error: 'e' })] }, 'x', 'Unhealthy', 'm', 'e'],
  ],
  Deployment: [
    [{ spec: { template: empty, selector: {} } }, 'x', '0/0', 0, 0, '5m', '', '', '<none>'],
    [
      {
        spec: { replicas: 4, template, selector },
        status: { readyReplicas: 3, updatedReplicas: 2, availableReplicas: 1 },
      },
      ...['x', '3/4', 2, 1, '5m', 'c,d', 'i:1,j', 'a=1,b=2,k'],
    ],
  ],
  HorizontalPodAutoscaler: [
    [
      { spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 3 } },
      ...['x', 'Deployment/d', '<none>', '<unset>', 3, 0, '5m'],
    ],
    [
      {
        spec: {
          scaleTargetRef: { kind: 'ReplicaSet', name: 'r' },
          minReplicas: 2,
          maxReplicas: 9,
          metrics: [{ type: 'Pods', pods: { target: { averageValue: '10' } } }],
        },
        status: { currentReplicas: 4, currentMetrics: [{ type: 'Pods', pods: { current: { averageValue: '7' } } }] },
      },
      ...['x', 'ReplicaSet/r', '7/10', '2', 9, 4, '5m'],
    ],
    [
      {
        spec: {
          scaleTargetRef: { kind: 'D', name: 'd' },
          maxReplicas: 1,
          metrics: [
            { type: 'ContainerResource', containerResource: { name: 'cpu', target: { averageUtilization: 50 } } },
            { type: 'Object', object: { target: { value: '3' } } },
            { type: 'Resource', resource: { name: 'memory', target: {} } },
          ],
        },
        status: { currentMetrics: [{}, { type: 'Object', object: { current: { value: '1' } } }] },
      },
      ...['x', 'D/d', 'cpu: <unknown>/50%, 1/3 + 1 more...', '<unset>', 1, 0, '5m'],
    ],
  ],
};
