// The ranges of service addresses that ServiceCIDRs name, and the upkeep of what the server made of them.
import { networkingV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { ServiceCIDR } from '../../api/type/networking-v1.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { ipAddressOf } from './ip-addresses.ts';
import { type AddressCaches, type Finding, planAddresses } from './service-repair.ts';

const isReady = ({ status }: ServiceCIDR) =>
  status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;

/** Ranges that new addresses may come from. */
export function readyCidrs(cache: Pick<WatchCache, 'snapshot'>): string[] {
  const found: string[] = [];
  cache.snapshot().scan('', undefined, stored => {
    const range = stored.object as ServiceCIDR;
    if (!range.metadata.deletionTimestamp && isReady(range)) found.push(...(range.spec.cidrs ?? []));
    return undefined;
  });
  return found;
}

/** Gives every Service's address its object, takes away objects whose Service is gone; resolves with what was wrong. */
export async function repairAddresses(
  client: Client,
  caches: AddressCaches,
  nowMs: number,
): Promise<readonly Finding[]> {
  const { findings, missing, stale } = planAddresses(caches, nowMs);
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
  return findings;
}
