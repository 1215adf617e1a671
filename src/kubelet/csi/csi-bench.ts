// A kubelet's volumes in a test: a volume manager with drivers, over files in memory, an API in memory, and the test's clock.
import type { Draft } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { settle, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { type FakeClient, fakeClient } from '../../client/fake-client.ts';
import { MemoryHost } from '../host/memory-host.ts';
import { KubeletRoot } from '../plugin/kubelet-root.ts';
import { PodPaths } from '../pod-path.ts';
import type { TokenManager } from '../token-manager.ts';
import { claimPlugin } from '../volume/local-volumes.ts';
import { VolumeManager, type VolumesState } from '../volume/volume-manager.ts';
import { CsiExpansion } from './csi-expansion.ts';
import { attachmentName, CsiPaths } from './csi-path.ts';
import { claimedCsi, csiPlugin } from './csi-plugins.ts';
import { CsiDrivers } from './csi-registration.ts';
import { CsiVolumes } from './csi-volumes.ts';
import { uniqueVolumeName } from './kernel/csi-name.ts';
import { TestDriver } from './test-driver.ts';

export const driverName = 'd.example.com';
export const root = '/k';
export const handle = 'h-1';
export const staging = (name = handle) => `${root}/plugins/kubernetes.io/csi/${driverName}/${sha(name)}/globalmount`;
const sha = (name: string) =>
  new CsiPaths(new PodPaths({ rootDirectory: '', podLogsDirectory: '' })).device('', name).split('/').at(-1);

export interface CsiBench {
  readonly clock: VirtualClock;
  readonly client: FakeClient;
  readonly host: MemoryHost;
  readonly driver: TestDriver;
  readonly drivers: CsiDrivers;
  readonly csi: CsiVolumes;
  readonly volumes: VolumeManager;
  /** `reason: message`, of pods and claims. */
  readonly events: string[];
  sync(pod: Pod): Promise<VolumesState>;
  /** As the node's status manager: tells which volumes are in use. */
  publishInUse(): Promise<void>;
  /** As the attach-detach controller and the attacher. */
  attach(metadata?: Readonly<Record<string, string>>): Promise<void>;
  /** The same files and API, another kubelet. */
  restart(): Promise<void>;
  registerDriver(said?: string): Promise<void>;
}

export const podOf = (uid: string, volume: object, more: object = {}): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: uid, namespace: 'ns', uid },
    spec: {
      nodeName: 'node-a',
      serviceAccountName: 'account',
      containers: [{ name: 'c', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      volumes: [{ name: 'data', ...volume }],
      ...more,
    },
  }) as unknown as Pod;

export const claimPod = (uid: string, more: object = {}): Pod =>
  podOf(uid, { persistentVolumeClaim: { claimName: 'claim' } }, more);

/** A claim bound to a volume of the driver. */
export const storage = (csi: object = {}, spec: object = {}): object[] => [
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'claim', namespace: 'ns', uid: 'uid-claim' },
    spec: { volumeName: 'pv', resources: { requests: { storage: '1Gi' } } },
    status: { phase: 'Bound', capacity: { storage: '1Gi' } },
  },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pv' },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      claimRef: { namespace: 'ns', name: 'claim', uid: 'uid-claim' },
      csi: { driver: driverName, volumeHandle: handle, ...csi },
      ...spec,
    },
  },
];

export const driverObject = (spec: object = {}) => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSIDriver',
  metadata: { name: driverName },
  spec: { attachRequired: false, ...spec },
});

const tokens = {
  token: async () => ({ token: 'secret', refreshAtMs: Number.POSITIVE_INFINITY, expiresAtMs: 3_600_000 }),
} as unknown as TokenManager;

const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-a', uid: 'uid-node' },
  status: {},
} as unknown as Draft<Node>;

/** `said`: the endpoint as the driver registers it; null: it does not. */
export async function csiBench(objects: readonly object[] = [], said: string | null = '/k/d.sock') {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const client = fakeClient([], { clock, random });
  client.set(coreV1.nodes, node);
  for (const o of objects) {
    const { kind } = o as { kind: string };
    const refs = {
      PersistentVolumeClaim: coreV1.persistentvolumeclaims,
      PersistentVolume: coreV1.persistentvolumes,
      CSIDriver: storageV1.csidrivers,
      Secret: coreV1.secrets,
    };
    client.set(refs[kind as keyof typeof refs] as never, o as never);
  }
  const host = new MemoryHost();
  const driver = new TestDriver(host);
  const events: string[] = [];
  const tell = (reason: string, message: string) => void events.push(`${reason}: ${message}`);
  const recorder = { event: (_about: object, _type: string, reason: string, message: string) => tell(reason, message) };
  const podEvents = {
    pod: (_pod: Pod, _type: string, reason: string, message: string) => tell(reason, message),
    container: () => {},
  };
  const paths = new PodPaths({ rootDirectory: root, podLogsDirectory: '/logs' });
  const make = () => {
    const statusOf = () => client.object(coreV1.nodes, 'node-a')?.status;
    const drivers = new CsiDrivers({
      ...{ client, nodeName: 'node-a', clock, log: silentLog, root: new KubeletRoot(root) },
      connect: () => ({ node: driver.node, close() {} }),
      onChange: () => csi.wakeAll(),
    });
    const csi: CsiVolumes = new CsiVolumes({
      ...{ client, host, clock, log: silentLog, events: podEvents, nodeName: 'node-a', drivers },
      paths: new CsiPaths(paths),
      tokens,
      tellsHealth: true,
      nodeVolumes: () => ({
        attached: (statusOf()?.volumesAttached ?? []).map(v => v.name),
        inUse: statusOf()?.volumesInUse ?? [],
      }),
      inUseChanged() {},
      wake: uid => volumes.hasten(uid),
    });
    const expansion = new CsiExpansion({
      client,
      clock,
      nodeName: 'node-a',
      events: podEvents,
      recorder,
      volumes: csi,
    });
    const volumes: VolumeManager = new VolumeManager({
      ...{ host, clock, log: silentLog, events: podEvents, paths },
      plugins: [
        csiPlugin(csi),
        claimPlugin(client, host, claimedCsi({ csi, expansion, client, clock }), () =>
          client.object(coreV1.nodes, 'node-a'),
        ),
      ],
    });
    return { drivers, csi, volumes };
  };
  const editNode = async (status: object) => {
    const now = client.object(coreV1.nodes, 'node-a')!;
    client.set(coreV1.nodes, { ...now, status: { ...now.status, ...status } } as Draft<Node>);
    bench.csi.wakeAll();
  };
  const bench: CsiBench = {
    ...{ clock, client, host, driver, events, ...make() },
    sync: (pod: Pod) => bench.volumes.sync(pod),
    publishInUse: () => editNode({ volumesInUse: bench.csi.inUse() }),
    async attach(metadata: Readonly<Record<string, string>> = {}) {
      const name = attachmentName(handle, driverName, 'node-a');
      client.set(storageV1.volumeattachments, {
        metadata: { name },
        spec: { attacher: driverName, nodeName: 'node-a', source: { persistentVolumeName: 'pv' } },
        status: { attached: true, attachmentMetadata: metadata },
      });
      await editNode({ volumesAttached: [{ name: uniqueVolumeName(driverName, handle), devicePath: '' }] });
    },
    async restart() {
      bench.csi.stop();
      Object.assign(bench, make());
      await bench.csi.restore();
      await settle();
    },
    registerDriver: (as = '/k/d.sock') => bench.drivers.register(driverName, '/k/d.sock', ['1.0.0'], as),
  };
  await bench.csi.restore();
  if (said) await bench.registerDriver(said);
  driver.calls.length = 0;
  return bench;
}
