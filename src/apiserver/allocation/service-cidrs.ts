// The ranges of service addresses that ServiceCIDRs name, and the upkeep of what the server made of them.
import { networkingV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { ServiceCIDR } from '../../api/type/networking-v1.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { ipAddressOf } from './ip-addresses.ts';
import { type AddressCaches, type AddressPlan, planAddresses } from './service-repair.ts';

/** One that nobody says anything of serves: there may be no controller. */
const isReady = ({ metadata, status }: ServiceCIDR) =>
  !metadata.deletionTimestamp && status?.conditions?.every(c => c.type !== 'Ready' || c.status === 'True') !== false;

/** Ranges that new addresses may come from: `configured` until the server has made its own object of them. */
export function rangesInUse(
  cache: Pick<WatchCache, 'snapshot' | 'latest'>,
  configured: readonly string[],
): readonly string[] {
  const found = new Set(cache.latest('kubernetes') ? [] : configured);
  cache.snapshot().scan('', undefined, stored => {
    const range = stored.object as ServiceCIDR;
    if (isReady(range)) for (const cidr of range.spec.cidrs ?? []) found.add(cidr);
    return undefined;
  });
  return [...found];
}

/** Gives every Service's address its object, takes away objects whose Service is gone; resolves with what was wrong. */
export async function repairAddresses(
  client: Client,
  caches: AddressCaches,
  nowMs: number,
): Promise<Pick<AddressPlan, 'findings' | 'againMs'>> {
  const { findings, missing, stale, againMs } = planAddresses(caches, nowMs);
  for (const name of stale) {
    try {
      await client.delete(networkingV1.ipaddresses, { name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  for (const { ip, service } of missing) {
    try {
      await client.create(networkingV1.ipaddresses, ipAddressOf(ip, service));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
  return { findings, againMs };
}
