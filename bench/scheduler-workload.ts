// The shapes of upstream's scheduler_perf: nodes, pods that are there before, pods whose placing is measured.
import type { Draft, KubeObject } from '../src/api/meta.ts';
import type { Pod } from '../src/api/type/core-v1.ts';

type Loose = Draft<KubeObject> & Record<string, unknown>;

export interface Workload {
  readonly nodes: number;
  /** Placed before the measuring starts, unless `initWaits`. */
  readonly init: number;
  readonly measured: number;
  /** Upstream's floor in pods a second; none where upstream has no such workload. */
  readonly floor?: number;
  /** The first pods cannot be placed and stay pending. */
  readonly initWaits?: boolean;
  /** A large node, a pod that fits nowhere and a service are made and deleted, once a second. */
  readonly churns?: boolean;
  readonly node?: (i: number) => Loose;
  readonly initPod?: (i: number) => Loose;
  readonly pod: (i: number) => Loose;
  /** Of the whole cluster. */
  readonly objects?: readonly Loose[];
  /** That belong to a node. */
  readonly perNode?: (i: number) => readonly Loose[];
  /** That belong to a pod, by its place among all pods. */
  readonly perPod?: (i: number) => readonly Loose[];
}

const zoneKey = 'topology.kubernetes.io/zone';
const hostKey = 'kubernetes.io/hostname';

const nodeOf = (i: number, zones: readonly string[], labels: object = {}): Loose => {
  const name = `node-${i}`;
  const allocatable = { cpu: '4', memory: '32Gi', pods: '110' };
  const zone = zones.length ? { [zoneKey]: zones[i % zones.length]! } : {};
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { name, labels: { [hostKey]: name, ...zone, ...labels } },
    spec: {},
    status: { allocatable, capacity: allocatable, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  };
};

interface PodShape {
  readonly namespace?: string;
  readonly labels?: object;
  readonly spec?: object;
  readonly cpu?: string;
}

const podOf = (i: number, { namespace = 'default', labels = {}, spec = {}, cpu = '100m' }: PodShape = {}): Loose => ({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: `pod-${i}`, namespace, uid: `uid-${i}`, labels },
  spec: {
    containers: [
      {
        name: 'pause',
        image: 'registry.k8s.io/pause:3.10',
        ports: [{ containerPort: 80 }],
        resources: { requests: { cpu, memory: '500Mi' }, limits: { cpu, memory: '500Mi' } },
      },
    ],
    ...spec,
  } satisfies Partial<Pod['spec']>,
  status: { phase: 'Pending' },
});

const zones3 = ['moon-1', 'moon-2', 'moon-3'];
const [required, preferred] = [
  'requiredDuringSchedulingIgnoredDuringExecution',
  'preferredDuringSchedulingIgnoredDuringExecution',
];
const like = (color: string, topologyKey: string) => ({
  topologyKey,
  labelSelector: { matchLabels: { color } },
  namespaces: ['sched-0', 'sched-1'],
});
/** Pods of one colour with one term about pods of that colour; the first ones and the measured ones live apart. */
const coloured = (color: string, affinity: object) => {
  const shape = (namespace: string) => (i: number) => podOf(i, { namespace, labels: { color }, spec: { affinity } });
  return { initPod: shape('sched-0'), pod: shape('sched-1') };
};
const spreading = (whenUnsatisfiable: string) => (i: number) =>
  podOf(i, {
    labels: { color: 'blue' },
    spec: {
      topologySpreadConstraints: [
        { maxSkew: 5, topologyKey: zoneKey, whenUnsatisfiable, labelSelector: { matchLabels: { color: 'blue' } } },
      ],
    },
  });
const nodeTerm = (expressions: object) => ({
  affinity: { nodeAffinity: { [required]: { nodeSelectorTerms: [expressions] } } },
});
const claimed = (i: number) => ({ volumes: [{ name: 'vol', persistentVolumeClaim: { claimName: `claim-${i}` } }] });

const csiDriver = 'ebs.csi.aws.com';
const volumeOf = (i: number): Loose[] => [
  {
    kind: 'PersistentVolume',
    apiVersion: 'v1',
    metadata: { name: `pv-${i}`, annotations: { 'pv.kubernetes.io/bound-by-controller': 'true' } },
    spec: {
      accessModes: ['ReadOnlyMany'],
      capacity: { storage: '1Gi' },
      persistentVolumeReclaimPolicy: 'Retain',
      csi: { driver: csiDriver, volumeHandle: `vol-${i}` },
      claimRef: {
        kind: 'PersistentVolumeClaim',
        apiVersion: 'v1',
        namespace: 'default',
        name: `claim-${i}`,
        uid: `claim-uid-${i}`,
      },
    },
    status: { phase: 'Bound' },
  },
  {
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    metadata: {
      name: `claim-${i}`,
      namespace: 'default',
      uid: `claim-uid-${i}`,
      annotations: { 'pv.kubernetes.io/bind-completed': 'true' },
    },
    spec: { accessModes: ['ReadOnlyMany'], resources: { requests: { storage: '1Gi' } }, volumeName: `pv-${i}` },
    status: { phase: 'Bound' },
  },
];
const csiNodeOf = (i: number): Loose => ({
  kind: 'CSINode',
  apiVersion: 'storage.k8s.io/v1',
  metadata: { name: `node-${i}` },
  spec: { drivers: [{ name: csiDriver, nodeID: `node-${i}`, allocatable: { count: 39 } }] },
});

const draVersion = 'resource.k8s.io/v1';
const draDriver = 'test-driver.cdi.k8s.io';
const sliceOf = (i: number): Loose => ({
  kind: 'ResourceSlice',
  apiVersion: draVersion,
  metadata: { name: `slice-${i}` },
  spec: {
    driver: draDriver,
    nodeName: `node-${i}`,
    pool: { name: `node-${i}`, generation: 1, resourceSliceCount: 1 },
    devices: Array.from({ length: 10 }, (_, d) => ({ name: `device-${d}` })),
  },
});
const deviceClaimOf = (i: number): Loose => ({
  kind: 'ResourceClaim',
  apiVersion: draVersion,
  metadata: { name: `claim-${i}`, namespace: 'default', uid: `claim-uid-${i}` },
  spec: {
    devices: {
      requests: [{ name: 'req-0', exactly: { deviceClassName: 'test-class', allocationMode: 'ExactCount', count: 1 } }],
    },
  },
  status: {},
});
const deviceClass: Loose = {
  kind: 'DeviceClass',
  apiVersion: draVersion,
  metadata: { name: 'test-class' },
  spec: { selectors: [{ cel: { expression: `device.driver == "${draDriver}"` } }] },
};

const plain = (i: number) => podOf(i);
const oneZone = (i: number) => nodeOf(i, ['zone1']);
const threeZones = (i: number) => nodeOf(i, zones3);

export const workloads: Readonly<Record<string, Workload>> = {
  basic: { nodes: 5000, init: 1000, measured: 10_000, floor: 270, pod: plain },
  churn: { nodes: 5000, init: 0, measured: 10_000, floor: 265, churns: true, pod: plain },
  secrets: {
    nodes: 5000,
    init: 5000,
    measured: 10_000,
    floor: 260,
    pod: i => podOf(i, { spec: { volumes: [{ name: 'secret', secret: { secretName: 'secret' } }] } }),
  },
  daemonset: {
    nodes: 15_000,
    init: 0,
    measured: 30_000,
    floor: 390,
    node: i => {
      const node = nodeOf(i, []);
      // All pods go to this one.
      return i === 7777
        ? { ...node, status: { allocatable: { cpu: '90000', memory: '90000Gi', pods: '90000' } } }
        : node;
    },
    pod: i =>
      podOf(i, { spec: nodeTerm({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-7777'] }] }) }),
  },
  'node affinity': {
    nodes: 5000,
    init: 5000,
    measured: 10_000,
    floor: 220,
    node: oneZone,
    pod: i =>
      podOf(i, {
        spec: nodeTerm({ matchExpressions: [{ key: zoneKey, operator: 'In', values: ['zone1', 'zone2'] }] }),
      }),
  },
  preemption: {
    nodes: 5000,
    init: 20_000,
    measured: 5000,
    floor: 160,
    initPod: i => podOf(i, { cpu: '900m', spec: { terminationGracePeriodSeconds: 0 } }),
    pod: i => podOf(i, { cpu: '3000m', spec: { priority: 10 } }),
  },
  unschedulable: {
    nodes: 5000,
    init: 200,
    measured: 10_000,
    floor: 140,
    initWaits: true,
    initPod: i => podOf(i, { cpu: '9000m' }),
    pod: plain,
  },
  'pod affinity': {
    nodes: 5000,
    init: 5000,
    measured: 5000,
    floor: 35,
    node: oneZone,
    ...coloured('blue', { podAffinity: { [required]: [like('blue', zoneKey)] } }),
  },
  'pod anti-affinity': {
    nodes: 5000,
    init: 1000,
    measured: 2000,
    floor: 60,
    ...coloured('green', { podAntiAffinity: { [required]: [like('green', hostKey)] } }),
  },
  'preferred affinity': {
    nodes: 5000,
    init: 5000,
    measured: 5000,
    floor: 90,
    ...coloured('red', { podAffinity: { [preferred]: [{ weight: 1, podAffinityTerm: like('red', hostKey) }] } }),
  },
  'preferred anti-affinity': {
    nodes: 5000,
    init: 5000,
    measured: 5000,
    floor: 90,
    ...coloured('yellow', {
      podAntiAffinity: { [preferred]: [{ weight: 1, podAffinityTerm: like('yellow', hostKey) }] },
    }),
  },
  spread: {
    nodes: 5000,
    init: 5000,
    measured: 5000,
    floor: 85,
    node: threeZones,
    initPod: plain,
    pod: spreading('DoNotSchedule'),
  },
  'preferred spread': {
    nodes: 5000,
    init: 5000,
    measured: 5000,
    floor: 125,
    node: threeZones,
    initPod: plain,
    pod: spreading('ScheduleAnyway'),
  },
  'CSI volumes': {
    nodes: 5000,
    init: 5000,
    measured: 5000,
    floor: 48,
    perNode: i => [csiNodeOf(i)],
    perPod: volumeOf,
    pod: i => podOf(i, { spec: claimed(i) }),
  },
  DRA: {
    nodes: 500,
    init: 2500,
    measured: 2500,
    floor: 70,
    objects: [deviceClass],
    perNode: i => [sliceOf(i)],
    perPod: i => [deviceClaimOf(i)],
    pod: i => podOf(i, { spec: { resourceClaims: [{ name: 'resource', resourceClaimName: `claim-${i}` }] } }),
  },
  // Not upstream's: each pod asks for something else, so that no pod's results serve another.
  varied: { nodes: 5000, init: 0, measured: 5000, pod: i => podOf(i, { cpu: `${1 + (i % 400)}m` }) },
};

/** With the measured pods' numbers after those of the first. */
export const podsOf = (w: Workload): { init: Loose[]; measured: Loose[] } => ({
  init: Array.from({ length: w.init }, (_, i) => (w.initPod ?? w.pod)(i)),
  measured: Array.from({ length: w.measured }, (_, i) => w.pod(w.init + i)),
});

export const nodeObjects = (w: Workload): Loose[] =>
  Array.from({ length: w.nodes }, (_, i) => (w.node ?? (n => nodeOf(n, [])))(i));

/** What comes and goes while pods are placed. */
export const churning = (round: number): Loose[] => [
  nodeOf(1_000_000 + round, []),
  podOf(1_000_000 + round, { cpu: '9000m', spec: { priority: 10 } }),
  {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { name: `churn-${round}`, namespace: 'default' },
    spec: { selector: { foo: 'bar' } },
  },
];
