import type { Clock } from '../../base/clock.ts';
import { aborted } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { CsiDrivers } from '../csi/csi-registration.ts';
import type { PluginWatcher } from './plugin-watcher.ts';

export interface WatchPluginsOptions {
  readonly plugins: PluginWatcher;
  readonly csi: { readonly drivers: CsiDrivers };
  readonly clock: Clock;
  readonly log: Log;
  /** The node is registered. */
  ready(): Promise<void>;
}

/** Until the signal aborts. The node's own object comes first, drivers have theirs in it. */
export async function watchPlugins(o: WatchPluginsOptions, signal: AbortSignal): Promise<void> {
  const { plugins, csi, clock, log } = o;
  await Promise.race([o.ready(), aborted(signal)]).catch(() => {});
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await csi.drivers.ensureCsiNode();
      break;
    } catch (error) {
      log.warn('making the CSINode failed', { error });
      await clock.sleep(Math.min(10_000, 200 * 2 ** tries), signal).catch(() => {});
    }
  }
  await plugins.run(signal);
}
