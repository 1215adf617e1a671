// maxSurge and maxUnavailable as numbers.
import type { Deployment } from '../../../api/type/apps-v1.ts';
import { scaledAmount } from '../../kernel/amount.ts';

export const wantedReplicas = (d: Deployment): number => d.spec?.replicas ?? 1;

export const isRollingUpdate = (d: Deployment): boolean =>
  (d.spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';

/** Both cannot be zero, or nothing would ever move: then one may be unavailable. */
function resolve(d: Deployment): { surge: number; unavailable: number } {
  const { maxSurge = '25%', maxUnavailable = '25%' } = d.spec?.strategy?.rollingUpdate ?? {};
  const replicas = wantedReplicas(d);
  const surge = scaledAmount(maxSurge, replicas, 'up');
  const unavailable = scaledAmount(maxUnavailable, replicas, 'down');
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** Pods there may be beyond those wanted. */
export const maxSurge = (d: Deployment): number => (isRollingUpdate(d) ? resolve(d).surge : 0);

/** Pods that may be unavailable of those wanted. */
export function maxUnavailable(d: Deployment): number {
  const replicas = wantedReplicas(d);
  return isRollingUpdate(d) && replicas > 0 ? Math.min(resolve(d).unavailable, replicas) : 0;
}
