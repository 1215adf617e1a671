// Objects of what configures and governs, in some states, and the cells they show.
import { ago, is, justAge, named, type State, selector } from './test-cells.ts';

const webhooks: readonly State[] = [
  [{}, 'x', 0, '5m'],
  [{ webhooks: [{ name: 'a' }, { name: 'b' }] }, 'x', 2, '5m'],
];
const policy = (part: string): readonly State[] => [
  [{ spec: {} }, 'x', 0, '<unset>', '5m'],
  [{ spec: { [part]: [{}, {}, {}], paramKind: { apiVersion: 'a.b/v1', kind: 'K' } } }, 'x', 3, 'a.b/v1/K', '5m'],
];
const policyBinding: readonly State[] = [
  [{ spec: { policyName: 'p' } }, 'x', 'p', '<unset>', '5m'],
  [{ spec: { policyName: 'q', paramRef: { name: 'c' } } }, 'x', 'q', '*/c', '5m'],
  [{ spec: { policyName: 'q', paramRef: { name: 'c', namespace: 'ns' } } }, 'x', 'q', 'ns/c', '5m'],
  [{ spec: { policyName: 'q', paramRef: { selector } } }, 'x', 'q', 'a=1,b=2,k', '5m'],
];
const roleBinding: readonly State[] = [
  [{ roleRef: { kind: 'Role', name: 'r' } }, 'x', 'Role/r', '5m', '', '', ''],
  [
    {
      roleRef: { kind: 'ClusterRole', name: 'c' },
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'Group', name: 'g' },
        { kind: 'User', name: 'v' },
        { kind: 'ServiceAccount', name: 's', namespace: 'm' },
        { kind: 'ServiceAccount', name: 't' },
        { kind: 'Group', name: 'h' },
      ],
    },
    ...['x', 'ClusterRole/c', '5m', 'u, v', 'g, h', 'm/s, t'],
  ],
];
const queuing = { queues: 64, handSize: 6, queueLengthLimit: 50 };
const limited = { nominalConcurrencyShares: 30, limitResponse: { type: 'Queue', queuing } };
const pools = [
  { totalDevices: 4, availableDevices: 1, allocatedDevices: 2, unavailableDevices: 1 },
  { totalDevices: 8, availableDevices: 8, allocatedDevices: 0 },
  { validationError: 'bad' },
];

export const controlStates: Readonly<Record<string, readonly State[]>> = {
  ConfigMap: [
    [{}, 'x', 0, '5m'],
    [{ data: { a: '', b: '' }, binaryData: { c: '' } }, 'x', 3, '5m'],
  ],
  NetworkPolicy: [
    [{ spec: { podSelector: {} } }, 'x', '<none>', '5m'],
    [{ spec: { podSelector: selector } }, 'x', 'a=1,b=2,k', '5m'],
    [
      {
        spec: {
          podSelector: {
            matchExpressions: [
              { key: 'k', operator: 'NotIn', values: ['z', 'y'] },
              { key: 'l', operator: 'DoesNotExist' },
            ],
          },
        },
      },
      ...['x', 'k notin (y,z),!l', '5m'],
    ],
  ],
  RoleBinding: roleBinding,
  ClusterRoleBinding: roleBinding,
  CertificateSigningRequest: [
    [{ spec: {} }, 'x', '5m', '<none>', '', '<none>', 'Pending'],
    [
      {
        spec: { signerName: 's/t', username: 'u', expirationSeconds: 86_400 },
        status: { conditions: [is('Approved'), is('Failed')], certificate: 'Zm9v' },
      },
      ...['x', '5m', 's/t', 'u', '24h', 'Approved,Failed,Issued'],
    ],
    [
      { spec: { signerName: 's', username: 'u' }, status: { conditions: [is('Denied'), is('Approved')] } },
      ...['x', '5m', 's', 'u', '<none>', 'Denied'],
    ],
  ],
  ClusterTrustBundle: [
    [{ spec: {} }, 'x', '<none>'],
    [{ spec: { signerName: 's/t' } }, 'x', 's/t'],
  ],
  PodCertificateRequest: [
    [{ spec: {} }, 'x', '', '', '', '', 'Pending', '<none>'],
    ...(['Issued', 'Denied', 'Failed'] as const).map(
      (type): State => [
        {
          spec: {
            podName: 'p',
            serviceAccountName: 'sa',
            nodeName: 'n',
            signerName: 's/t',
            unverifiedUserAnnotations: { b: '2', a: '1' },
          },
          status: { conditions: [is(type)] },
        },
        ...['x', 'p', 'sa', 'n', 's/t', type, 'a=1,b=2'],
      ],
    ),
  ],
  Lease: [
    [{ spec: {} }, 'x', '', '5m'],
    [{ spec: { holderIdentity: 'h' } }, 'x', 'h', '5m'],
  ],
  LeaseCandidate: [
    [{ spec: {} }, 'x', '', '', '', '5m'],
    [
      { spec: { leaseName: 'l', binaryVersion: '1.36.0', emulationVersion: '1.35.0' } },
      'x',
      'l',
      '1.36.0',
      '1.35.0',
      '5m',
    ],
  ],
  StorageClass: [
    [{ provisioner: 'p' }, 'x', 'p', 'Delete', 'Immediate', false, '5m'],
    [
      {
        ...named({ annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }),
        provisioner: 'q',
        reclaimPolicy: 'Retain',
        volumeBindingMode: 'WaitForFirstConsumer',
        allowVolumeExpansion: true,
      },
      ...['x (default)', 'q', 'Retain', 'WaitForFirstConsumer', true, '5m'],
    ],
  ],
  VolumeAttributesClass: [
    [{ driverName: 'd' }, 'x', 'd', '5m'],
    [{ driverName: 'e' }, 'x', 'e', '5m'],
  ],
  Status: [
    [{ status: 'Success' }, 'Success', '', ''],
    [{ status: 'Failure', reason: 'NotFound', message: 'm' }, 'Failure', 'NotFound', 'm'],
  ],
  ControllerRevision: [
    [{ revision: 1 }, 'x', '<none>', 1, '5m'],
    [
      {
        ...named({ ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 's', controller: true }] }),
        revision: 7,
      },
      ...['x', 'statefulset.apps/s', 7, '5m'],
    ],
  ],
  ResourceQuota: [
    [{}, 'x', '', '', '5m'],
    [
      {
        status: {
          hard: { pods: '4', 'limits.cpu': '2', cpu: '1', 'limits.memory': '1Gi' },
          used: { pods: '2', 'limits.memory': '1Mi' },
        },
      },
      ...['x', 'cpu: 0/1, pods: 2/4', 'limits.cpu: 0/2, limits.memory: 1Mi/1Gi', '5m'],
    ],
  ],
  PriorityClass: [
    [{ value: -5 }, 'x', -5, false, '5m', ''],
    [{ value: 1000, globalDefault: true, preemptionPolicy: 'Never' }, 'x', 1000, true, '5m', 'Never'],
  ],
  RuntimeClass: [
    [{ handler: 'runc' }, 'x', 'runc', '5m'],
    [{ handler: 'kata' }, 'x', 'kata', '5m'],
  ],
  VolumeAttachment: [
    [{ spec: { source: {} } }, 'x', '', '', '', false, '5m'],
    [
      { spec: { attacher: 'a', source: { persistentVolumeName: 'v' }, nodeName: 'n' }, status: { attached: true } },
      ...['x', 'a', 'v', 'n', true, '5m'],
    ],
  ],
  EndpointSlice: [
    [{ addressType: 'IPv4' }, 'x', 'IPv4', '<unset>', '<unset>', '5m'],
    [
      {
        addressType: 'IPv6',
        ports: [{ port: 1 }, { port: 2 }, { port: 3 }, { port: 4 }],
        endpoints: [{ addresses: ['fd00::1'] }, { addresses: ['fd00::2'] }],
      },
      ...['x', 'IPv6', '1,2,3 + 1 more...', 'fd00::1,fd00::2', '5m'],
    ],
  ],
  CSINode: [
    [{ spec: { drivers: [] } }, 'x', 0, '5m'],
    [{ spec: { drivers: [{ name: 'a' }, { name: 'b' }] } }, 'x', 2, '5m'],
  ],
  CSIDriver: [
    [{ spec: {} }, 'x', true, false, false, '<unset>', false, '<none>', '5m'],
    [
      {
        spec: {
          attachRequired: false,
          podInfoOnMount: true,
          storageCapacity: true,
          tokenRequests: [{ audience: 'a' }, { audience: 'b' }],
          requiresRepublish: true,
          volumeLifecycleModes: ['Persistent', 'Ephemeral'],
        },
      },
      ...['x', false, true, true, 'a,b', true, 'Persistent,Ephemeral', '5m'],
    ],
  ],
  MutatingWebhookConfiguration: webhooks,
  ValidatingWebhookConfiguration: webhooks,
  ValidatingAdmissionPolicy: policy('validations'),
  ValidatingAdmissionPolicyBinding: policyBinding,
  MutatingAdmissionPolicy: policy('mutations'),
  MutatingAdmissionPolicyBinding: policyBinding,
  FlowSchema: [
    [{ spec: { priorityLevelConfiguration: { name: 'l' }, matchingPrecedence: 9 } }, 'x', 'l', 9, '<none>', '5m', '?'],
    [
      {
        spec: {
          priorityLevelConfiguration: { name: 'm' },
          matchingPrecedence: 1000,
          distinguisherMethod: { type: 'ByUser' },
        },
        status: { conditions: [is('Dangling', 'False')] },
      },
      ...['x', 'm', 1000, 'ByUser', '5m', 'False'],
    ],
  ],
  PriorityLevelConfiguration: [
    [{ spec: { type: 'Exempt' } }, 'x', 'Exempt', '<none>', '<none>', '<none>', '<none>', '5m'],
    [{ spec: { type: 'Limited', limited } }, 'x', 'Limited', 30, 64, 6, 50, '5m'],
    [
      { spec: { type: 'Limited', limited: { nominalConcurrencyShares: 5, limitResponse: { type: 'Reject' } } } },
      ...['x', 'Limited', 5, '<none>', '<none>', '<none>', '5m'],
    ],
  ],
  StorageVersion: [
    [{ status: {} }, 'x', '<unset>', '<unset>', '5m'],
    [
      {
        status: {
          commonEncodingVersion: 'v1',
          storageVersions: ['a', 'b', 'c', 'd'].map(apiServerID => ({ apiServerID, encodingVersion: 'v1' })),
        },
      },
      ...['x', 'v1', 'a=v1,b=v1,c=v1 + 1 more...', '5m'],
    ],
  ],
  Scale: [
    [{ spec: {}, status: {} }, 'x', 0, 0, '5m'],
    [{ spec: { replicas: 3 }, status: { replicas: 2 } }, 'x', 3, 2, '5m'],
  ],
  DeviceClass: justAge,
  ResourceClaim: [
    [{}, 'x', 'pending', '5m'],
    [{ status: { allocation: {} } }, 'x', 'allocated', '5m'],
    [{ status: { allocation: {}, reservedFor: [{ name: 'p' }] } }, 'x', 'allocated,reserved', '5m'],
    [{ ...named({ deletionTimestamp: ago(1) }), status: { allocation: {} } }, 'x', 'deleted,allocated', '5m'],
    [named({ deletionTimestamp: ago(1) }), 'x', 'deleted', '5m'],
  ],
  ResourceClaimTemplate: justAge,
  ResourceSlice: [
    [{ spec: { driver: 'd', pool: { name: 'p' }, nodeName: 'n' } }, 'x', 'n', 'd', 'p', '5m'],
    [{ spec: { driver: 'e', pool: { name: 'q' }, allNodes: true } }, 'x', '', 'e', 'q', '5m'],
  ],
  ResourcePoolStatusRequest: [
    [{ spec: { driver: 'd' } }, 'x', 'd', '-', '-', '-', '-', '-', 0, 'Pending', '<none>'],
    [
      {
        spec: { driver: 'e' },
        status: { poolCount: 3, pools, conditions: [is('Complete', 'True', { lastTransitionTime: ago(60) })] },
      },
      ...['x', 'e', '12', '9', '2', '1', '1', 3, 'Complete', '60s'],
    ],
    [
      { spec: { driver: 'e' }, status: { poolCount: 5, pools: [pools[0]], conditions: [is('Complete')] } },
      ...['x', 'e', '4', '1', '2', '1', '0', 5, 'Complete (1/5 pools)', '<unknown>'],
    ],
    [
      { spec: { driver: 'e' }, status: { conditions: [is('Failed')] } },
      ...['x', 'e', '-', '-', '-', '-', '-', 0, 'Failed', '<none>'],
    ],
  ],
  DeviceTaintRule: [
    [{ spec: { taint: { key: 'k', effect: 'NoSchedule' } } }, 'x', 'k', '', 'NoSchedule', '', '5m'],
    [
      { spec: { taint: { key: 'l', value: 'v', effect: 'NoExecute', timeAdded: ago(60) } } },
      ...['x', 'l', 'v', 'NoExecute', '60s', '5m'],
    ],
  ],
  ServiceCIDR: [
    [{ spec: { cidrs: ['10.0.0.0/16'] } }, 'x', '10.0.0.0/16', '5m'],
    [{ spec: { cidrs: ['10.0.0.0/16', 'fd00::/112'] } }, 'x', '10.0.0.0/16,fd00::/112', '5m'],
  ],
  IPAddress: [
    [{ spec: {} }, 'x', '<none>', '5m'],
    [{ spec: { parentRef: { resource: 'services', namespace: 'n', name: 's' } } }, 'x', 'services/n/s', '5m'],
    [{ spec: { parentRef: { group: 'g.io', resource: 'r', name: 's' } } }, 'x', 'r.g.io/s', '5m'],
  ],
  StorageVersionMigration: [
    [{ spec: { resource: { resource: 'pods' } } }, 'x', 'pods', 'Unknown'],
    ...(['Running', 'Failed', 'Succeeded'] as const).map(
      (type): State => [
        {
          spec: { resource: { group: 'g.io', resource: 'r' } },
          status: { conditions: [is('Running', 'False'), is(type)] },
        },
        ...['x', 'r.g.io', type],
      ],
    ),
  ],
  Workload: justAge,
  PodGroup: [
    [{ spec: { schedulingPolicy: { basic: {} } } }, 'x', 'Basic', '<none>', 'Pending', '5m'],
    [
      {
        spec: {
          schedulingPolicy: { gang: { minCount: 2 } },
          podGroupTemplateRef: { workload: { workloadName: 'w' } },
        },
        status: { conditions: [is('PodGroupScheduled')] },
      },
      ...['x', 'Gang', 'w', 'Scheduled', '5m'],
    ],
    [
      { status: { conditions: [is('PodGroupScheduled', 'False', { reason: 'Unschedulable' })] } },
      ...['x', 'Basic', '<none>', 'Unschedulable', '5m'],
    ],
    [
      {
        status: {
          conditions: [is('PodGroupScheduled'), is('DisruptionTarget', 'True', { reason: 'PreemptionByScheduler' })],
        },
      },
      ...['x', 'Basic', '<none>', 'PreemptionByScheduler', '5m'],
    ],
  ],
  APIService: [
    [{ spec: {} }, 'x', 'Local', 'Unknown', '5m'],
    [
      { spec: { service: { namespace: 'n', name: 's' } }, status: { conditions: [is('Available')] } },
      ...['x', 'n/s', 'True', '5m'],
    ],
    [
      { spec: {}, status: { conditions: [is('Available', 'False', { reason: 'MissingEndpoints' })] } },
      ...['x', 'Local', 'False (MissingEndpoints)', '5m'],
    ],
  ],
};
