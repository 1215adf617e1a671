// Where volumes of CSI drivers lie below the kubelet's directory.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { PodPaths } from '../pod-path.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** The attachment of a volume to a node always has the same name. */
export const attachmentName = (handle: string, driver: string, node: string) => `csi-${sha256(handle + driver + node)}`;

/** What a pod's own volume is called towards the driver. */
export const ephemeralHandle = (podUid: string, volume: string) => `csi-${sha256(podUid + volume)}`;

const escapedName = 'kubernetes.io~csi';

export class CsiPaths {
  readonly #paths: PodPaths;

  constructor(paths: PodPaths) {
    this.#paths = paths;
  }

  get base(): string {
    return join(this.#paths.root, 'plugins/kubernetes.io/csi');
  }

  /** Holds `globalmount` and vol_data.json. */
  device(driver: string, handle: string): string {
    return join(this.base, driver, sha256(handle));
  }

  get blockBase(): string {
    return join(this.base, 'volumeDevices');
  }

  blockStaging(volume: string): string {
    return join(this.blockBase, 'staging', volume);
  }

  blockData(volume: string): string {
    return join(this.blockBase, volume, 'data');
  }

  /** Where the driver puts the device for a pod. */
  blockPublish(volume: string, podUid: string): string {
    return join(this.blockBase, 'publish', volume, podUid);
  }

  /** Names of volumes are PersistentVolumes', or the pod's own. */
  published(podUid: string): string {
    return join(this.#paths.pod(podUid), 'volumes', escapedName);
  }

  mapped(podUid: string): string {
    return join(this.#paths.pod(podUid), 'volumeDevices', escapedName);
  }

  owned(podUid: string, volume: string): string {
    return this.#paths.owned(podUid, volume);
  }

  get pods(): string {
    return this.#paths.pods;
  }
}

export const dataFile = 'vol_data.json';
