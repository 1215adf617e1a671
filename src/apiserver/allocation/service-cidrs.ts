// The ranges of service addresses that ServiceCIDRs name, and the upkeep of what the server made of them.
import { formatTime } from '../../api/meta.ts';
import { networkingV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { IPAddress, ServiceCIDR } from '../../api/type/networking-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { ipAddressOf, managedBy } from './ip-addresses.ts';
import { ipsOf } from './service-state.ts';

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

/** Says that the range the server was configured with serves. */
export async function readyDefaultCidr(client: Client, clock: Clock): Promise<void> {
  const key = { name: 'kubernetes' };
  const range = await client.get(networkingV1.servicecidrs, key);
  if (range.metadata.deletionTimestamp || isReady(range)) return;
  const ready = {
    type: 'Ready',
    status: 'True',
    lastTransitionTime: formatTime(clock.now()),
    reason: '',
    message: 'Kubernetes default Service CIDR is ready',
  };
  await client.patch(
    networkingV1.servicecidrs,
    key,
    { type: 'merge', body: { status: { conditions: [ready] } } },
    { subresource: 'status' },
  );
}

export interface AddressCaches {
  readonly services: Pick<WatchCache, 'snapshot' | 'latest'>;
  readonly addresses: Pick<WatchCache, 'snapshot' | 'latest'>;
}

/** Gives every Service's address its object, and takes away objects whose Service is gone. */
export async function repairAddresses(
  client: Client,
  { services, addresses }: AddressCaches,
  nowMs: number,
): Promise<void> {
  const missing: { ip: string; service: Service }[] = [];
  services.snapshot().scan('', undefined, stored => {
    const service = stored.object as Service;
    for (const ip of ipsOf(service)) if (!addresses.latest(ip)) missing.push({ ip, service });
    return undefined;
  });
  const stale: string[] = [];
  addresses.snapshot().scan('', undefined, stored => {
    if (isStale(stored.object as IPAddress, services, nowMs)) stale.push(stored.object.metadata.name);
    return undefined;
  });
  for (const { ip, service } of missing) {
    try {
      await client.create(networkingV1.ipaddresses, ipAddressOf(ip, service));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
  for (const name of stale) {
    try {
      await client.delete(networkingV1.ipaddresses, { name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

// A Service is written after its address.
const youngMs = 60_000;

function isStale({ metadata, spec }: IPAddress, services: Pick<WatchCache, 'latest'>, nowMs: number): boolean {
  if (metadata.labels?.['ipaddress.kubernetes.io/managed-by'] !== managedBy) return false;
  if (nowMs - Date.parse(metadata.creationTimestamp ?? '') < youngMs) return false;
  const { resource, namespace, name } = spec?.parentRef ?? {};
  if (resource !== 'services') return true;
  const service = services.latest(`${namespace}/${name}`)?.object as Service | undefined;
  return !service || !ipsOf(service).includes(metadata.name);
}
