// What the parts of CSI volumes share.
import { join } from 'node:path';
import type { Pod } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { Host } from '../host/host.ts';
import type { PodEvents } from '../pod-event.ts';
import type { TokenManager } from '../token-manager.ts';
import type { CsiDevices } from './csi-devices.ts';
import { type CsiPaths, dataFile } from './csi-path.ts';
import type { CsiDrivers } from './csi-registration.ts';
import type { CsiVolume } from './kernel/csi-request.ts';

export interface CsiVolumesOptions {
  readonly client: Client;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  readonly nodeName: string;
  readonly drivers: CsiDrivers;
  readonly paths: CsiPaths;
  readonly tokens: TokenManager;
  /** Pods are told of volumes that are not well, as with the gate CSIVolumeHealth. */
  readonly tellsHealth: boolean;
  /** What the node's status says. */
  nodeVolumes(): { readonly attached: readonly string[]; readonly inUse: readonly string[] };
  /** The volumes in use are others now: the node's status is to tell. */
  inUseChanged(): void;
  /** What a pod waits for may have come. */
  wake(podUid: string): void;
}

export interface CsiContext extends CsiVolumesOptions {
  readonly devices: CsiDevices;
  /** Pods that wait for their node, an attacher or a driver. */
  readonly waiting: Set<string>;
}

/** How a driver that is not there is told. */
export const driverNotFound = (driver: string) =>
  `driver name ${driver} not found in the list of registered CSI drivers`;

/** What a pod's containers get of a volume. */
export function publishedPath(paths: CsiPaths, pod: Pod, v: CsiVolume): string {
  const uid = pod.metadata.uid ?? '';
  return v.block ? paths.blockPublish(v.name, uid) : join(paths.published(uid), v.name, 'mount');
}

/** Removes only what the kubelet made itself: what else lies there is somebody's data. */
export async function removePublished(host: Host, directory: string): Promise<void> {
  const target = join(directory, 'mount');
  if (await host.isMountPoint(target)) throw new Error(`"${target}" is still mounted`);
  await host.removeEmpty(target);
  await host.removeEmpty(join(directory, dataFile));
  await host.removeEmpty(directory);
}
