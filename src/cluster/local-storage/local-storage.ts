// Makes a directory and a PersistentVolume for each claim of class `standard` whose pod goes to this node, and removes both
// when the claim is gone. Runs on the node, because only the node reaches its directories.
import { coreV1, storageV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler } from '../../engine/controller.ts';
import {
  deletesData,
  directoryOf,
  localProvisioner,
  localVolume,
  nodeToServe,
  ownVolume,
  refusal,
  volumeNameOf,
} from './kernel/local-volume.ts';

/** The node's directories. */
export interface VolumeDirectories {
  /** Absolute; all volumes lie directly below. */
  readonly base: string;
  /** Empty, for everybody to write; there already is success. */
  make(directory: string): Promise<void>;
  /** With its content; not there is success. */
  remove(directory: string): Promise<void>;
  /** Where a volume is, as a PersistentVolume's source. */
  source(path: string): { local: { path: string } } | { hostPath: { path: string; type: 'DirectoryOrCreate' } };
}

export const localStorageAccount = 'local-storage-controller';

export interface LocalStorageOptions {
  serves(node: string): boolean;
  readonly directories: VolumeDirectories;
}

export function localStorageController({ serves, directories }: LocalStorageOptions): Controller {
  const { base } = directories;
  return {
    name: 'local-storage-controller',
    serviceAccount: localStorageAccount,
    component: localProvisioner,
    watches: [
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (claim: PersistentVolumeClaim, _old, _context, deleted) => {
          const node = deleted ? undefined : nodeToServe(claim);
          const { namespace, name } = claim.metadata;
          return node !== undefined && serves(node) ? [`claim ${namespace}/${name}`] : [];
        },
      },
      {
        resource: coreV1.persistentvolumes,
        keys: (volume: PersistentVolume, _old, _context, deleted) => {
          const own = ownVolume(volume, base);
          if (!own || !serves(own.node) || !deletesData(volume)) return [];
          // Deleted by hand: nothing will tell again where its data are.
          if (deleted) return [`directory ${own.directory}`];
          return volume.status?.phase === 'Released' ? [`volume ${volume.metadata.name}`] : [];
        },
      },
    ],
    reads: [storageV1.storageclasses],
    writes: ['persistentvolumes', 'events'],
    workers: 2,
    create: context => new LocalStorage(context, directories),
  };
}

class LocalStorage implements Reconciler {
  readonly #context: ControllerContext;
  readonly #directories: VolumeDirectories;

  constructor(context: ControllerContext, directories: VolumeDirectories) {
    this.#context = context;
    this.#directories = directories;
  }

  async reconcile(key: string): Promise<void> {
    const space = key.indexOf(' ');
    const name = key.slice(space + 1);
    if (key.startsWith('directory')) await this.#directories.remove(name);
    else if (key.startsWith('claim')) await this.#provision(name);
    else await this.#release(name);
  }

  async #provision(key: string): Promise<void> {
    const { client, lister } = this.#context;
    const claim = lister(coreV1.persistentvolumeclaims).get(key);
    const node = claim && nodeToServe(claim);
    const storageClass = lister(storageV1.storageclasses).get(claim?.spec?.storageClassName ?? '');
    if (!claim || node === undefined || lister(coreV1.persistentvolumes).get(volumeNameOf(claim))) return;
    try {
      if (!storageClass) throw new Error('the storage class is gone');
      const no = refusal(claim);
      if (no) return this.#tellFailure(claim, no);
      this.#tell(claim, 'Normal', 'Provisioning', `External provisioner is provisioning volume for claim "${key}"`);
      const directory = directoryOf(claim);
      await this.#directories.make(directory);
      const source = this.#directories.source(`${this.#directories.base}/${directory}`);
      await client.create(coreV1.persistentvolumes, localVolume(claim, storageClass, node, source));
      const made = `Successfully provisioned volume ${volumeNameOf(claim)}`;
      this.#tell(claim, 'Normal', 'ProvisioningSucceeded', made);
    } catch (error) {
      if (isAlreadyExists(error)) return;
      this.#tellFailure(claim, messageOf(error));
      throw error;
    }
  }

  /** The data first: while the volume is there, whoever comes after a crash knows what is left to do. */
  async #release(name: string): Promise<void> {
    const volume = this.#context.lister(coreV1.persistentvolumes).get(name);
    const own = volume && ownVolume(volume, this.#directories.base);
    if (!own || volume.status?.phase !== 'Released' || !deletesData(volume)) return;
    const { uid } = volume.metadata;
    try {
      await this.#directories.remove(own.directory);
      await this.#context.client.delete(
        coreV1.persistentvolumes,
        { name },
        uid === undefined ? {} : { preconditions: { uid } },
      );
    } catch (error) {
      if (isNotFound(error)) return;
      const about = referenceTo(volume, coreV1.persistentvolumes);
      this.#context.events.event(about, 'Warning', 'VolumeFailedDelete', messageOf(error));
      throw error;
    }
  }

  #tellFailure(claim: PersistentVolumeClaim, why: string): void {
    const storageClass = claim.spec?.storageClassName ?? '';
    const message = `failed to provision volume with StorageClass "${storageClass}": ${why}`;
    this.#tell(claim, 'Warning', 'ProvisioningFailed', message);
  }

  #tell(claim: PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.events.event(referenceTo(claim, coreV1.persistentvolumeclaims), type, reason, message);
  }
}
