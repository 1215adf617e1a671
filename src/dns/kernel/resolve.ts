// Answers of the cluster's zone, by the Kubernetes DNS specification 1.1.0. Pure.

import { parseIp } from '../../api/name-rule.ts';
import type { ServicePort } from '../../api/type/core-v1.ts';
import { reverseAddress, undashed } from './address.ts';
import { clusterIpsOf, type RecordIndex, type ServiceEntry, type Target } from './record-index.ts';

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR' | 'SOA' | 'SRV' | 'TXT';

/** `data`: an address, a name, a text, or what a SRV record holds. */
export interface ResourceRecord {
  readonly name: string;
  readonly type: RecordType;
  readonly ttl: number;
  readonly data: string | SrvData | SoaData;
}

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
}

export interface Answer {
  readonly rcode: 'NOERROR' | 'NXDOMAIN';
  readonly answers: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** The answer is a CNAME to a name outside of the zone, still to be looked up for the type asked for. */
  readonly external?: string;
}

export interface Zone {
  /** The cluster's domain in lower case, without a dot at the end. */
  readonly domain: string;
  readonly index: RecordIndex;
  /** Address of the name server, `ns.dns.DOMAIN`. */
  readonly serverAddress: string;
  /** Changes with the zone's contents, seconds since the epoch will do. */
  serial(): number;
}

export const recordTtlSeconds = 5;
const schemaVersion = '1.1.0';
const ttl = recordTtlSeconds;
const maxAliases = 8;

/** Undefined for a name that is not of this zone: somebody else's, or an address that nothing here has. */
export function resolve(zone: Zone, name: string, type: string): Answer | undefined {
  const lower = name.toLowerCase();
  if (lower === zone.domain) return apex(zone, name, type);
  if (lower.endsWith(`.${zone.domain}`)) {
    const labels = lower.slice(0, -zone.domain.length - 1).split('.');
    return inZone(zone, name, labels, type);
  }
  return reverse(zone, name, lower, type);
}

/** Whether a name is the zone's to answer; of an address that shows once everything is known. */
export function isOfZone(zone: Zone, name: string): boolean {
  const lower = name.toLowerCase();
  return lower === zone.domain || lower.endsWith(`.${zone.domain}`) || reverseAddress(lower) !== undefined;
}

/** What says that there is no such name below `suffix` or no record of that type. */
export function negative(zone: Zone, rcode: Answer['rcode'], suffix = zone.domain): Answer {
  return { rcode, answers: [], additionals: [], authorities: [soa(zone, suffix)] };
}

const positive = (answers: readonly ResourceRecord[], additionals: readonly ResourceRecord[] = []): Answer => ({
  rcode: 'NOERROR',
  answers,
  additionals,
  authorities: [],
});

const soa = (zone: Zone, name: string): ResourceRecord => ({
  name,
  type: 'SOA',
  ttl,
  data: { mname: `ns.dns.${zone.domain}`, rname: `hostmaster.${zone.domain}`, serial: zone.serial() },
});

function apex(zone: Zone, name: string, type: string): Answer {
  const server = `ns.dns.${zone.domain}`;
  if (type === 'SOA') return positive([soa(zone, name)]);
  if (type === 'NS')
    return positive([{ name, type: 'NS', ttl, data: server }], addresses(server, [zone.serverAddress]));
  return negative(zone, 'NOERROR');
}

function inZone(zone: Zone, name: string, labels: readonly string[], type: string): Answer {
  const kind = labels.at(-1);
  const rest = labels.slice(0, -1);
  if (kind === 'svc') return svc(zone, name, rest, type);
  if (kind === 'pod') return pod(zone, name, rest, type);
  const path = labels.join('.');
  if (path === 'dns-version')
    return type === 'TXT' ? positive([{ name, type, ttl, data: schemaVersion }]) : negative(zone, 'NOERROR');
  if (path === 'ns.dns') return ofFamily(zone, addresses(name, [zone.serverAddress]), type);
  return negative(zone, path === 'dns' ? 'NOERROR' : 'NXDOMAIN');
}

function pod(zone: Zone, name: string, rest: readonly string[], type: string): Answer {
  if (rest.length === 0) return negative(zone, 'NOERROR');
  const exists = zone.index.namespaceExists(rest.at(-1)!);
  if (rest.length === 1) return negative(zone, exists ? 'NOERROR' : 'NXDOMAIN');
  const address = rest.length === 2 && exists !== false ? undashed(rest[0]!) : undefined;
  return address ? ofFamily(zone, addresses(name, [address]), type) : negative(zone, 'NXDOMAIN');
}

function svc(zone: Zone, name: string, rest: readonly string[], type: string): Answer {
  const [service, namespace] = rest.slice(-2);
  if (rest.length === 0) return negative(zone, 'NOERROR');
  if (rest.length === 1) return negative(zone, zone.index.namespaceExists(rest[0]!) ? 'NOERROR' : 'NXDOMAIN');
  const entry = zone.index.service(namespace!, service!);
  if (!entry || rest.length > 4) return negative(zone, 'NXDOMAIN');
  const base = `${service}.${namespace}.svc.${zone.domain}`;
  const spec = entry.service.spec;
  if (spec.type === 'ExternalName') {
    if (rest.length > 2 || !spec.externalName) return negative(zone, 'NXDOMAIN');
    return alias(zone, name, spec.externalName.replace(/\.$/, ''), type);
  }
  const query = { zone, name, base, type, entry };
  if (rest.length === 2) return whole(query, () => true);
  const [first, second] = rest as [string, string];
  if (rest.length === 3) {
    if (!first.startsWith('_')) return endpoints(query, zone.index.targets(entry).get(first) ?? [], () => true);
    const some = whole({ ...query, type: 'SRV' }, p => protocolOf(p) === first.slice(1));
    return negative(zone, some.rcode);
  }
  if (!first.startsWith('_') || !second.startsWith('_')) return negative(zone, 'NXDOMAIN');
  return whole(query, p => protocolOf(p) === second.slice(1) && (p.name ?? '') === first.slice(1));
}

interface ServiceQuery {
  readonly zone: Zone;
  readonly name: string;
  /** The service's own name. */
  readonly base: string;
  readonly type: string;
  readonly entry: ServiceEntry & { readonly service: NonNullable<ServiceEntry['service']> };
}

interface Port {
  readonly name?: string;
  readonly protocol?: string;
  readonly port?: number;
}

const protocolOf = (port: Port): string => (port.protocol ?? 'TCP').toLowerCase();

/** Records of the service as a whole: its addresses, or those of its endpoints when it has none of its own. */
function whole(query: ServiceQuery, wanted: (port: Port) => boolean): Answer {
  const { zone, name, base, type, entry } = query;
  const own = clusterIpsOf(entry.service);
  if (own.length === 0) return endpoints(query, [...zone.index.targets(entry).values()].flat(), wanted);
  const all: readonly ServicePort[] = entry.service.spec.ports ?? [];
  const ports = all.filter(wanted);
  if (ports.length === 0) return negative(zone, 'NXDOMAIN');
  if (type !== 'SRV') return ofFamily(zone, addresses(name, own), type);
  // A port of two protocols would be the same record twice, which no answer may hold.
  const numbers = [...new Set(ports.map(p => p.port))];
  const weight = Math.floor(100 / numbers.length);
  const records = numbers.map(
    (port): ResourceRecord => ({ name, type: 'SRV', ttl, data: { priority: 0, weight, port, target: base } }),
  );
  return positive(records, addresses(base, own));
}

function endpoints(query: ServiceQuery, targets: readonly Target[], wanted: (port: Port) => boolean): Answer {
  const { zone, name, base, type } = query;
  const portless = !name.startsWith('_');
  const matching = targets.filter(t => t.ports.some(wanted) || (portless && t.ports.length === 0));
  if (matching.length === 0) return negative(zone, 'NXDOMAIN');
  const unique = (list: readonly Target[]) => [...new Set(list.map(t => t.address))];
  if (type !== 'SRV') return ofFamily(zone, addresses(name, unique(matching)), type);
  const seen = new Map<string, SrvData>();
  for (const { hostname, ports } of matching)
    for (const p of ports)
      if (wanted(p) && p.port) {
        const target = `${hostname}.${base}`;
        seen.set(`${target} ${p.port}`, { priority: 0, weight: 0, port: p.port, target });
      }
  if (seen.size === 0) return negative(zone, 'NOERROR');
  const weight = Math.max(1, Math.floor(100 / seen.size));
  const records = [...seen.values()].map((d): ResourceRecord => ({ name, type: 'SRV', ttl, data: { ...d, weight } }));
  const hosts = new Map<string, Target[]>();
  for (const t of matching) hosts.set(t.hostname, [...(hosts.get(t.hostname) ?? []), t]);
  return positive(
    records,
    [...hosts].flatMap(([hostname, list]) => addresses(`${hostname}.${base}`, unique(list))),
  );
}

/** A CNAME and, when its target is in the zone, what that gives; an address is no name to be an alias of. */
function alias(zone: Zone, name: string, target: string, type: string, depth = 0): Answer {
  if (parseIp(target) !== undefined) return negative(zone, 'NXDOMAIN');
  const record: ResourceRecord = { name, type: 'CNAME', ttl, data: target };
  if (type === 'CNAME') return positive([record]);
  if (type !== 'A' && type !== 'AAAA') return negative(zone, 'NOERROR');
  if (depth >= maxAliases) return positive([record]);
  const further = resolveAlias(zone, target, type, depth + 1);
  if (!further) return { ...positive([record]), external: target };
  return {
    ...positive([record, ...further.answers], further.additionals),
    ...(further.external ? { external: further.external } : {}),
  };
}

// Aliases of aliases may go in circles.
function resolveAlias(zone: Zone, target: string, type: string, depth: number): Answer | undefined {
  const lower = target.toLowerCase();
  const [service = '', namespace = '', kind] = lower.split('.');
  const entry =
    kind === 'svc' && lower === `${service}.${namespace}.svc.${zone.domain}`
      ? zone.index.service(namespace, service)
      : undefined;
  const spec = entry?.service.spec;
  if (spec?.type === 'ExternalName' && spec.externalName)
    return alias(zone, target, spec.externalName.replace(/\.$/, ''), type, depth);
  return resolve(zone, target, type);
}

function reverse(zone: Zone, name: string, lower: string, type: string): Answer | undefined {
  const address = reverseAddress(lower);
  if (!address) return undefined;
  const names = zone.index.namesOf(address);
  if (names.length === 0) return undefined;
  if (type !== 'PTR') return negative(zone, 'NOERROR');
  return positive(names.map(n => ({ name, type: 'PTR', ttl, data: `${n}.svc.${zone.domain}` })));
}

const addresses = (name: string, list: readonly string[]): ResourceRecord[] =>
  list
    .filter(a => parseIp(a) !== undefined)
    .map(data => ({ name, type: data.includes(':') ? 'AAAA' : 'A', ttl, data }));

function ofFamily(zone: Zone, records: readonly ResourceRecord[], type: string): Answer {
  const some = records.filter(r => r.type === type);
  return some.length > 0 ? positive(some) : negative(zone, 'NOERROR');
}
