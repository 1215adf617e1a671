// How full CSI volumes are, as their drivers say.
import type { Pod, Volume } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { VolumeFigures } from '../volume/volume.ts';
import type { CsiDriver } from './csi-client.ts';
import { type CsiContext, publishedPath } from './csi-context.ts';
import { type CsiVolume, figuresOf } from './kernel/csi-request.ts';

const statsMs = 60_000;

/** Where the driver keeps what all pods share; empty where it does not. */
export async function stagingPath({ devices }: CsiContext, v: CsiVolume, driver: CsiDriver): Promise<string> {
  const device = devices.get(v.driver, v.handle);
  if (!device || !(await driver.can('STAGE_UNSTAGE_VOLUME'))) return '';
  return driver.toDriver(devices.staging(device));
}

function nameInPod(pod: Pod, v: CsiVolume): string {
  const claim = v.persistent?.volume.spec?.claimRef?.name;
  if (!claim) return v.name;
  const isIt = ({ name, persistentVolumeClaim, ephemeral }: Volume) =>
    persistentVolumeClaim?.claimName === claim || (ephemeral && `${pod.metadata.name}-${name}` === claim);
  return pod.spec.volumes?.find(isIt)?.name ?? v.name;
}

export class CsiFigures {
  readonly #c: CsiContext;
  readonly #known = new Map<string, { readonly atMs: number; readonly figures: Promise<VolumeFigures | undefined> }>();

  constructor(context: CsiContext) {
    this.#c = context;
  }

  forget(podUid: string): void {
    for (const key of this.#known.keys()) if (key.startsWith(`${podUid}/`)) this.#known.delete(key);
  }

  /** At most a minute old; undefined where the driver does not tell. */
  async of(pod: Pod, v: CsiVolume): Promise<VolumeFigures | undefined> {
    const key = `${pod.metadata.uid}/${v.name}`;
    const nowMs = this.#c.clock.monotonic();
    const known = this.#known.get(key);
    if (known && nowMs - known.atMs < statsMs) return known.figures;
    const figures = this.#ask(pod, v);
    this.#known.set(key, { atMs: nowMs, figures });
    return figures;
  }

  async #ask(pod: Pod, v: CsiVolume): Promise<VolumeFigures | undefined> {
    const driver = this.#c.drivers.get(v.driver);
    try {
      if (!driver || !(await driver.can('GET_VOLUME_STATS'))) return undefined;
      const stats = await driver.node.NodeGetVolumeStats({
        volume_id: v.handle,
        volume_path: driver.toDriver(publishedPath(this.#c.paths, pod, v)),
        staging_target_path: await stagingPath(this.#c, v, driver),
      });
      const { abnormal, message } = stats.volume_condition ?? {};
      if (abnormal && this.#c.tellsHealth)
        this.#c.events.pod(pod, 'Warning', 'VolumeConditionAbnormal', `Volume ${nameInPod(pod, v)}: ${message}`);
      return figuresOf(stats);
    } catch (error) {
      this.#c.log.warn('reading the figures of a volume failed', { volume: v.name, error: messageOf(error) });
      return undefined;
    }
  }
}
