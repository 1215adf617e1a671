// What the sidecars of a CSI driver do, for machines that cannot have them: provision and delete, attach, resize. One look
// at everything, again and again, over the driver's own socket.
import { parseQuantity } from '../../../src/api/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../src/api/type/core-v1.ts';
import type { CSINode, VolumeAttachment } from '../../../src/api/type/storage-v1.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { GrpcChannel } from '../../../src/cri/grpc.ts';
import { grpcClient } from '../../../src/cri/grpc-service.ts';
import { csiMethods } from '../../../src/kubelet/csi/csi-client.ts';
import type { ClusterAccess } from '../../cluster-access.ts';
import type { Sidecar } from './sidecars.ts';

const storage = '/apis/storage.k8s.io/v1';

export class StandIn {
  readonly #access: ClusterAccess;
  readonly #driver: string;
  readonly #parts: ReadonlySet<Sidecar>;
  readonly #channel: GrpcChannel;
  readonly #calls: Record<string, (request: object) => Promise<any>>;
  readonly #stop = new AbortController();
  #run: Promise<void> | undefined;

  /** `parts`: those it stands in for. */
  constructor(access: ClusterAccess, driver: string, socket: string, parts: ReadonlySet<Sidecar>) {
    this.#parts = parts;
    this.#access = access;
    this.#driver = driver;
    this.#channel = new GrpcChannel(socket, systemClock);
    this.#calls = grpcClient(this.#channel, csiMethods(), 10_000);
  }

  start(): void {
    this.#run = (async () => {
      while (!this.#stop.signal.aborted) {
        await this.#look().catch(() => {});
        await systemClock.sleep(200, this.#stop.signal).catch(() => {});
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#run;
    this.#channel.close();
  }

  async #look(): Promise<void> {
    const list = async <T>(path: string): Promise<readonly T[]> => (await this.#access.ask('GET', path)).items;
    const claims = await list<PersistentVolumeClaim>(this.#access.path('persistentvolumeclaims'));
    const volumes = await list<PersistentVolume>('/api/v1/persistentvolumes');
    for (const claim of claims) await this.#claim(claim, volumes);
    if (this.#parts.has('csi-provisioner'))
      for (const volume of volumes) if (volume.status?.phase === 'Released') await this.#delete(volume);
    if (!this.#parts.has('csi-attacher')) return;
    for (const a of await list<VolumeAttachment>(`${storage}/volumeattachments`)) await this.#attachment(a, volumes);
  }

  async #claim(claim: PersistentVolumeClaim, volumes: readonly PersistentVolume[]): Promise<void> {
    const wanted = claim.spec?.resources?.requests?.storage ?? '0';
    const capacity_range = { required_bytes: parseQuantity(wanted).toNumber() };
    const chosen = claim.metadata.annotations?.['volume.kubernetes.io/selected-node'];
    const name = `pvc-${claim.metadata.uid}`;
    const volume = volumes.find(v => v.metadata.name === name);
    if (this.#parts.has('csi-provisioner') && !volume && chosen && !claim.spec?.volumeName) {
      const made = await this.#calls.CreateVolume!({ name, capacity_range });
      await this.#access.ask('POST', '/api/v1/persistentvolumes', {
        metadata: { name, annotations: { 'pv.kubernetes.io/provisioned-by': this.#driver } },
        spec: {
          accessModes: claim.spec?.accessModes,
          capacity: { storage: wanted },
          claimRef: { namespace: claim.metadata.namespace, name: claim.metadata.name, uid: claim.metadata.uid },
          persistentVolumeReclaimPolicy: 'Delete',
          storageClassName: claim.spec?.storageClassName,
          csi: { driver: this.#driver, volumeHandle: made.volume.volume_id },
        },
      });
    } else if (
      this.#parts.has('csi-resizer') &&
      volume?.spec?.capacity?.storage &&
      volume.spec.capacity.storage !== wanted
    ) {
      await this.#calls.ControllerExpandVolume!({ volume_id: volume.spec.csi?.volumeHandle, capacity_range });
      await this.#patch(`/api/v1/persistentvolumes/${name}`, { spec: { capacity: { storage: wanted } } });
      const status = { allocatedResourceStatuses: { storage: 'NodeResizePending' } };
      await this.#patch(`${this.#access.path('persistentvolumeclaims', claim.metadata.name)}/status`, { status });
    }
  }

  async #attachment(a: VolumeAttachment, volumes: readonly PersistentVolume[]): Promise<void> {
    const { name, deletionTimestamp, finalizers = [] } = a.metadata;
    const path = `${storage}/volumeattachments/${name}`;
    const volume = volumes.find(v => v.metadata.name === a.spec.source.persistentVolumeName);
    const node = await this.#access.ask<CSINode>('GET', `${storage}/csinodes/${a.spec.nodeName}`);
    const node_id = node.spec.drivers.find(d => d.name === this.#driver)?.nodeID;
    const request = { volume_id: volume?.spec?.csi?.volumeHandle, node_id };
    if (deletionTimestamp) {
      await this.#calls.ControllerUnpublishVolume!(request);
      if (finalizers.length) await this.#patch(path, { metadata: { finalizers: null } });
    } else if (!a.status?.attached) {
      if (!finalizers.length) await this.#patch(path, { metadata: { finalizers: ['test.k8ts.dev/attached'] } });
      const { publish_context } = await this.#calls.ControllerPublishVolume!(request);
      await this.#patch(`${path}/status`, { status: { attached: true, attachmentMetadata: publish_context } });
    }
  }

  async #delete(volume: PersistentVolume): Promise<void> {
    await this.#calls.DeleteVolume!({ volume_id: volume.spec?.csi?.volumeHandle });
    await this.#access.request('DELETE', `/api/v1/persistentvolumes/${volume.metadata.name}`);
  }

  async #patch(path: string, body: object): Promise<void> {
    await this.#access.ask('PATCH', path, body, 'application/merge-patch+json');
  }
}
