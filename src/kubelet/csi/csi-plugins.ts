// Volumes of CSI drivers, as the volume manager has them done: the pod's own, and those of its claims.
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { SetUp, VolumePlugin } from '../volume/volume.ts';
import type { CsiExpansion } from './csi-expansion.ts';
import type { CsiVolumes } from './csi-volumes.ts';
import type { CsiVolume } from './kernel/csi-request.ts';

/** What claims hand over: a claim bound to a driver's volume. */
export interface ClaimedCsi {
  setUp(pod: Pod, claim: PersistentVolumeClaim, volume: PersistentVolume, readOnly: boolean): Promise<SetUp>;
}

/** How often a volume in use is looked at for a new size. */
const lookMs = 30_000;

/** Volumes of pods themselves; takes down those of claims as well. */
export function csiPlugin(csi: CsiVolumes): VolumePlugin {
  const keep = (pod: Pod, v: CsiVolume, made: SetUp): SetUp => ({
    ...made,
    stats: () => csi.stats(pod, v),
    ...(made.refreshAtMs === undefined ? {} : { update: async () => keep(pod, v, await csi.update(pod, v, made)) }),
  });
  return {
    name: 'kubernetes.io/csi',
    canHandle: v => !!v.csi,
    async setUp(pod, volume) {
      const v = csi.inline(pod, volume.name);
      return keep(pod, v, await csi.setUp(pod, v));
    },
    tearDownPod: uid => csi.tearDown(uid),
  };
}

export function claimedCsi(o: {
  readonly csi: CsiVolumes;
  readonly expansion: CsiExpansion;
  readonly client: Client;
  readonly clock: Clock;
}): ClaimedCsi {
  const { csi, expansion, client, clock } = o;

  /** `lookAtMs`: when to ask for a new size. */
  const keep = (
    pod: Pod,
    v: CsiVolume,
    claim: PersistentVolumeClaim,
    made: SetUp,
    lookAtMs = clock.now() + lookMs,
  ): SetUp => ({
    ...made,
    stats: () => csi.stats(pod, v),
    refreshAtMs: Math.min(lookAtMs, made.refreshAtMs ?? lookAtMs),
    async update() {
      const again = await csi.update(pod, v, made);
      if (clock.now() < lookAtMs) return keep(pod, v, claim, again, lookAtMs);
      const [newest, volume] = await newestOf(claim, v);
      const now = volume ? csi.persistent(volume, v.readOnly) : v;
      if (newest) await expansion.expand(pod, now, newest);
      return keep(pod, now, newest ?? claim, again);
    },
  });

  const newestOf = async (claim: PersistentVolumeClaim, v: CsiVolume) => {
    const { namespace = '', name = '' } = claim.metadata;
    try {
      return await Promise.all([
        client.get(coreV1.persistentvolumeclaims, { namespace, name }),
        client.get(coreV1.persistentvolumes, { name: v.name }),
      ]);
    } catch {
      // It runs on what it has; the next look may succeed.
      return [undefined, undefined];
    }
  };

  return {
    async setUp(pod, claim, volume, readOnly) {
      const v = csi.persistent(volume, readOnly);
      const made = await csi.setUp(pod, v);
      await expansion.expand(pod, v, claim);
      return keep(pod, v, claim, made);
    },
  };
}
