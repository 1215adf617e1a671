// What is wrong with the addresses and node ports that services have, told as events and, where it can be, repaired.
import { parseIp } from '../../api/name-rule.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { IPAddress, ServiceCIDR } from '../../api/type/networking-v1.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { managedBy } from './ip-addresses.ts';
import { isAddressOf } from './kernel/ip-allocator.ts';
import { ipsOf, portsOf } from './service-state.ts';

/** One thing that is wrong. */
export interface Finding {
  /** The Service or IPAddress it is told of. */
  readonly about: Service | IPAddress;
  readonly reason: string;
  readonly message: string;
  /** As the metrics name it. */
  readonly error: 'invalid' | 'outOfRange' | 'repair' | 'duplicate' | 'leak';
}

type Source = Pick<WatchCache, 'snapshot' | 'latest'>;

export interface AddressCaches {
  readonly services: Source;
  readonly addresses: Source;
  readonly cidrs: Pick<WatchCache, 'snapshot'>;
}

export interface AddressPlan {
  readonly findings: readonly Finding[];
  /** Objects to make, with the service each is of. */
  readonly missing: readonly { readonly ip: string; readonly service: Service }[];
  /** Objects to take away, by name. */
  readonly stale: readonly string[];
  /** When to look again, at what was too young; undefined when nothing was. */
  readonly againMs: number | undefined;
}

// A Service is written after its address.
const youngMs = 60_000;

export function planAddresses({ services, addresses, cidrs }: AddressCaches, nowMs: number): AddressPlan {
  const findings: Finding[] = [];
  const missing: { ip: string; service: Service }[] = [];
  const stale: string[] = [];
  const ranges = allRanges(cidrs);
  each<Service>(services, service => {
    for (const ip of ipsOf(service)) {
      const found = faultOf(ip, service, { services, addresses }, ranges);
      if (!found) continue;
      findings.push(found);
      if (found.error === 'repair') missing.push({ ip, service });
    }
  });
  let againMs: number | undefined;
  each<IPAddress>(addresses, address => {
    const found = leakOf(address, services);
    if (!found) return;
    const leftMs = Date.parse(address.metadata.creationTimestamp ?? '') + youngMs - nowMs;
    if (leftMs > 0 && isOfService(address)) {
      againMs = Math.min(againMs ?? leftMs, leftMs);
      return;
    }
    findings.push(found);
    stale.push(address.metadata.name);
  });
  // Somebody else's name on a service's own address: another object takes its place.
  const held = missing.filter(m => addresses.latest(m.ip)).map(m => m.ip);
  return { findings, missing, stale: [...new Set([...stale, ...held])], againMs };
}

function faultOf(
  ip: string,
  service: Service,
  { services, addresses }: Pick<AddressCaches, 'services' | 'addresses'>,
  ranges: readonly string[],
): Finding | undefined {
  const tell = (error: Finding['error'], reason: string, message: string) => ({
    about: service,
    error,
    reason,
    message,
  });
  if (!parseIp(ip))
    return tell('invalid', 'ClusterIPNotValid', `Cluster IP ${ip} is not a valid IP; please recreate Service`);
  const family = `Cluster IP [${ip.includes(':') ? 'IPv6' : 'IPv4'}]:`;
  if (!ranges.some(range => isAddressOf(range, ip)))
    return tell(
      'outOfRange',
      'ClusterIPOutOfRange',
      `${family} ${ip} is not within any configured Service CIDR; please recreate service`,
    );
  const address = addresses.latest(ip)?.object as IPAddress | undefined;
  const notAllocated = () => tell('repair', 'ClusterIPNotAllocated', `${family} ${ip} is not allocated; repairing`);
  if (!address) return notAllocated();
  const { namespace, name } = address.spec?.parentRef ?? {};
  if (isOfService(address)) {
    if (namespace === service.metadata.namespace && name === service.metadata.name) return undefined;
    const other = services.latest(`${namespace}/${name}`)?.object as Service | undefined;
    // What refers to a service that is not there, or has it not, holds nothing.
    if (!other || !ipsOf(other).includes(ip)) return isOurs(address) ? notAllocated() : undefined;
  }
  return tell(
    'duplicate',
    'ClusterIPAlreadyAllocated',
    // Without the space.
    `${family}${ip} was assigned to multiple services; please recreate service`,
  );
}

const isOurs = ({ metadata }: IPAddress): boolean =>
  metadata.labels?.['ipaddress.kubernetes.io/managed-by'] === managedBy;

function isOfService({ spec }: IPAddress): boolean {
  const { group = '', resource } = spec?.parentRef ?? {};
  return group === '' && resource === 'services';
}

/** Whether there is the service that the object names, and has the address. */
export function isHeld(address: IPAddress, services: Pick<WatchCache, 'latest'>): boolean {
  if (!isOfService(address)) return false;
  const { metadata, spec } = address;
  const { namespace, name } = spec?.parentRef ?? {};
  const service = services.latest(`${namespace}/${name}`)?.object as Service | undefined;
  return service !== undefined && ipsOf(service).includes(metadata.name);
}

function leakOf(address: IPAddress, services: Pick<WatchCache, 'latest'>): Finding | undefined {
  const { metadata, spec } = address;
  if (!isOurs(address)) return undefined;
  const { group = '', resource = '', namespace = '', name = '' } = spec?.parentRef ?? {};
  const leak = (reason: string, message: string): Finding => ({ about: address, error: 'leak', reason, message });
  if (!isOfService(address)) {
    // As Go prints it: part of a message.
    const parent = `&ParentReference{Group:${group},Resource:${resource},Namespace:${namespace},Name:${name},}`;
    return leak(
      'IPAddressNotAllocated',
      `IPAddress ${metadata.name} appears to have been modified, not referencing a Service ${parent}: cleaning up`,
    );
  }
  const tell = (reason: string, what: string) =>
    leak(reason, `IPAddress: ${metadata.name} for Service ${namespace}/${name} ${what} cleaning up`);
  if (!services.latest(`${namespace}/${name}`)) return tell('IPAddressNotAllocated', 'appears to have leaked:');
  return isHeld(address, services) ? undefined : tell('IPAddressWrongReference', 'has a wrong reference;');
}

/** `lost`: ports that services have and the record of ports did not know; empty where there is none. */
export function portFindings(
  services: Pick<WatchCache, 'snapshot'>,
  [first, last]: readonly [number, number],
  lost: ReadonlySet<number>,
): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<number>();
  each<Service>(services, service => {
    for (const port of portsOf(service)) {
      const tell = (error: Finding['error'], reason: string, message: string) =>
        findings.push({ about: service, error, reason, message });
      if (port < first || port > last)
        tell(
          'outOfRange',
          'PortOutOfRange',
          `Port ${port} is not within the port range ${first}-${last}; please recreate service`,
        );
      else if (seen.has(port))
        tell(
          'duplicate',
          'PortAlreadyAllocated',
          `Port ${port} was assigned to multiple services; please recreate service`,
        );
      else if (lost.has(port)) tell('repair', 'PortNotAllocated', `Port ${port} is not allocated; repairing`);
      seen.add(port);
    }
  });
  return findings;
}

/** Those that go, too: what they gave is still within them. */
function allRanges(cidrs: Pick<WatchCache, 'snapshot'>): string[] {
  const found: string[] = [];
  each<ServiceCIDR>(cidrs, range => void found.push(...(range.spec.cidrs ?? [])));
  return found;
}

function each<T>(cache: Pick<WatchCache, 'snapshot'>, visit: (object: T) => void): void {
  cache.snapshot().scan('', undefined, stored => {
    visit(stored.object as unknown as T);
    return undefined;
  });
}
