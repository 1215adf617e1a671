import type { Clock } from '../../base/clock.ts';
import type { RuntimeCache } from '../runtime-cache.ts';

const relistSilenceMs = 180_000;

/** What keeps the node from being ready when its runtime is not heard of. */
export function relistProblems({ lastRelistMs }: Pick<RuntimeCache, 'lastRelistMs'>, clock: Clock): readonly string[] {
  if (!lastRelistMs) return ['PLEG is not healthy: pleg has yet to be successful'];
  const silentMs = clock.now() - lastRelistMs;
  if (silentMs <= relistSilenceMs) return [];
  return [`PLEG is not healthy: pleg was last seen active ${Math.round(silentMs / 1000)}s ago; threshold is 3m0s`];
}
