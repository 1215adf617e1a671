import type { Pod, Volume } from '../../api/type/core-v1.ts';
import type { Host } from '../host/host.ts';
import type { SetUp, VolumeFigures } from './volume.ts';

/** Of the file system a path lies on. */
export async function diskFigures(host: Host, path: string): Promise<VolumeFigures | undefined> {
  const disk = await host.disk(path).catch(() => undefined);
  return (
    disk && {
      ...disk,
      usedBytes: disk.capacityBytes - disk.availableBytes,
      inodesUsed: disk.inodes - disk.inodesFree,
    }
  );
}

export interface PodVolumeFigures {
  /** The pod's name for it. */
  readonly name: string;
  readonly claim?: { readonly name: string; readonly namespace: string };
  readonly figures: VolumeFigures;
}

/** Of the pod's claims and drivers' volumes, those that are set up. */
export async function podVolumeFigures(
  host: Host,
  pod: Pod,
  mounted: ReadonlyMap<string, SetUp>,
): Promise<readonly PodVolumeFigures[]> {
  const one = async (v: Volume): Promise<readonly PodVolumeFigures[]> => {
    const claimName =
      v.persistentVolumeClaim?.claimName ?? (v.ephemeral ? `${pod.metadata.name}-${v.name}` : undefined);
    const setUp = mounted.get(v.name);
    if (!setUp || (!claimName && !v.csi)) return [];
    const figures = setUp.stats ? await setUp.stats() : setUp.path ? await diskFigures(host, setUp.path) : undefined;
    if (!figures) return [];
    const claim = claimName ? { claim: { name: claimName, namespace: pod.metadata.namespace ?? '' } } : {};
    return [{ name: v.name, ...claim, figures }];
  };
  return (await Promise.all((pod.spec.volumes ?? []).map(one))).flat();
}
