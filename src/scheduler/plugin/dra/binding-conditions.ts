// Devices that have to be made ready for their pod before it may be bound: their driver says when, in the claim's status.
import { keyOf } from '../../../api/meta.ts';
import { resourceV1 } from '../../../api/refs.ts';
import type { ResourceClaim } from '../../../api/type/resource-v1.ts';
import type { Handle } from '../../framework.ts';

/** How far a claim's devices are. */
export function bindingStateOf({ status }: ResourceClaim): 'ready' | 'waiting' | 'failed' {
  let state: 'ready' | 'waiting' = 'ready';
  for (const result of status?.allocation?.devices?.results ?? []) {
    if (!result.bindingConditions?.length) continue;
    const device = status?.devices?.find(
      d =>
        d.driver === result.driver &&
        d.pool === result.pool &&
        d.device === result.device &&
        d.shareID === result.shareID,
    );
    const isTrue = (type: string) => device?.conditions?.some(c => c.type === type && c.status === 'True') === true;
    if (result.bindingFailureConditions?.some(isTrue)) return 'failed';
    if (!result.bindingConditions.every(isTrue)) state = 'waiting';
  }
  return state;
}

export const needsBinding = ({ status }: ResourceClaim): boolean =>
  status?.allocation?.devices?.results?.some(r => r.bindingConditions?.length) === true;

/** Resolves when all are ready; otherwise with why they will not be. */
export async function whenReady(
  { clock, informers, stopping }: Handle,
  claims: readonly ResourceClaim[],
  timeoutMs: number,
): Promise<string | undefined> {
  const informer = informers.informer(resourceV1.resourceclaims);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const check = () => {
    let ready = true;
    for (const claim of claims) {
      const now = informer.lister.get(keyOf(claim));
      if (!now?.status?.allocation) {
        // The local copy may be older than the allocation.
        if (!now || now.metadata.uid !== claim.metadata.uid) resolve(`claim ${claim.metadata.name} not found`);
        ready = false;
        continue;
      }
      const state = bindingStateOf(now);
      if (state === 'failed') resolve(`claim ${claim.metadata.name} binding failed`);
      if (state !== 'ready') ready = false;
    }
    if (ready) resolve(undefined);
  };
  const stop = informer.addHandler({ onUpdate: check, onDelete: check });
  const timer = clock.after(timeoutMs, () => resolve('device binding timeout'));
  const stopped = () => resolve('context canceled');
  stopping.addEventListener('abort', stopped, { once: true });
  check();
  try {
    return await promise;
  } finally {
    timer.cancel();
    stopping.removeEventListener('abort', stopped);
    stop();
  }
}
