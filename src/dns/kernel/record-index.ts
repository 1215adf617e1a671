// What there is to answer from, kept current one object at a time, so that a question costs a few map lookups. Pure.
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointPort, EndpointSlice } from '../../api/type/discovery-v1.ts';
import { canonicalAddress, dashed } from './address.ts';

/** One address of a ready endpoint. */
export interface Target {
  readonly hostname: string;
  readonly address: string;
  readonly ports: readonly EndpointPort[];
}

export interface ServiceEntry {
  service: Service | undefined;
  readonly slices: Map<string, EndpointSlice>;
  /** Made when first asked for after a change. */
  targets: TargetsByHostname | undefined;
}

type TargetsByHostname = ReadonlyMap<string, readonly Target[]>;

const serviceNameLabel = 'kubernetes.io/service-name';

export class RecordIndex {
  readonly #entries = new Map<string, ServiceEntry>();
  /** Services a namespace. */
  readonly #serviceCounts = new Map<string, number>();
  #namespaces: Set<string> | undefined;
  /** Canonical address to `service.namespace`. */
  readonly #clusterIps = new Map<string, string>();
  /** Canonical address to names, `hostname.service.namespace`, each with the number of its mentions. */
  readonly #endpointNames = new Map<string, Map<string, number>>();

  putService(service: Service): void {
    const { namespace = '', name = '' } = service.metadata;
    const entry = this.#entry(`${namespace}/${name}`);
    if (entry.service) this.#forgetClusterIps(entry.service);
    else this.#serviceCounts.set(namespace, (this.#serviceCounts.get(namespace) ?? 0) + 1);
    entry.service = service;
    for (const ip of clusterIpsOf(service)) this.#clusterIps.set(canonicalAddress(ip), `${name}.${namespace}`);
  }

  deleteService(service: Service): void {
    const { namespace = '', name = '' } = service.metadata;
    const key = `${namespace}/${name}`;
    const entry = this.#entries.get(key);
    if (!entry?.service) return;
    this.#forgetClusterIps(entry.service);
    entry.service = undefined;
    this.#drop(key, entry);
    const left = (this.#serviceCounts.get(namespace) ?? 1) - 1;
    if (left > 0) this.#serviceCounts.set(namespace, left);
    else this.#serviceCounts.delete(namespace);
  }

  /** `old` is what was put before for the same slice. */
  putSlice(slice: EndpointSlice, old?: EndpointSlice): void {
    if (old && serviceKeyOf(old) !== serviceKeyOf(slice)) this.deleteSlice(old);
    const key = serviceKeyOf(slice);
    if (key === undefined) return;
    const entry = this.#entry(key);
    const known = entry.slices.get(slice.metadata.name ?? '');
    entry.slices.set(slice.metadata.name ?? '', slice);
    entry.targets = undefined;
    this.#countNames(slice, 1);
    if (known) this.#countNames(known, -1);
  }

  deleteSlice(slice: EndpointSlice): void {
    const key = serviceKeyOf(slice);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    const known = entry?.slices.get(slice.metadata.name ?? '');
    if (key === undefined || !entry || !known) return;
    entry.slices.delete(slice.metadata.name ?? '');
    entry.targets = undefined;
    this.#countNames(known, -1);
    this.#drop(key, entry);
  }

  /** From the first call on, namespaces exist only when they were put. */
  putNamespace(name: string): void {
    this.#namespaces ??= new Set();
    this.#namespaces.add(name);
  }

  deleteNamespace(name: string): void {
    this.#namespaces?.delete(name);
  }

  /** Undefined when namespaces are not known and none of this name has a service. */
  namespaceExists(name: string): boolean | undefined {
    if (this.#serviceCounts.has(name)) return true;
    return this.#namespaces?.has(name);
  }

  service(namespace: string, name: string): (ServiceEntry & { readonly service: Service }) | undefined {
    const entry = this.#entries.get(`${namespace}/${name}`);
    return entry?.service ? (entry as ServiceEntry & { service: Service }) : undefined;
  }

  /** Addresses of the service's ready endpoints by hostname. */
  targets(entry: ServiceEntry): TargetsByHostname {
    entry.targets ??= targetsOf(entry.slices.values());
    return entry.targets;
  }

  /** `service.namespace` of a cluster IP, then `hostname.service.namespace` of endpoints. */
  namesOf(canonical: string): readonly string[] {
    const service = this.#clusterIps.get(canonical);
    if (service) return [service];
    return [...(this.#endpointNames.get(canonical)?.keys() ?? [])].filter(name => {
      const [, own = '', namespace = ''] = name.split('.');
      return this.service(namespace, own) !== undefined;
    });
  }

  #entry(key: string): ServiceEntry {
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { service: undefined, slices: new Map(), targets: undefined };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #drop(key: string, entry: ServiceEntry): void {
    if (!entry.service && entry.slices.size === 0) this.#entries.delete(key);
  }

  #forgetClusterIps(service: Service): void {
    const name = `${service.metadata.name}.${service.metadata.namespace}`;
    for (const ip of clusterIpsOf(service)) {
      const address = canonicalAddress(ip);
      if (this.#clusterIps.get(address) === name) this.#clusterIps.delete(address);
    }
  }

  #countNames(slice: EndpointSlice, by: 1 | -1): void {
    const key = serviceKeyOf(slice);
    if (key === undefined) return;
    const [namespace = '', name = ''] = key.split('/');
    for (const { hostname, address } of sliceTargets(slice)) {
      const canonical = canonicalAddress(address);
      const full = `${hostname}.${name}.${namespace}`;
      const names = this.#endpointNames.get(canonical) ?? new Map<string, number>();
      const count = (names.get(full) ?? 0) + by;
      if (count > 0) names.set(full, count);
      else names.delete(full);
      if (names.size > 0) this.#endpointNames.set(canonical, names);
      else this.#endpointNames.delete(canonical);
    }
  }
}

/** The service's own addresses; none for a headless one or an external name. */
export function clusterIpsOf(service: Service): readonly string[] {
  const { type, clusterIP, clusterIPs } = service.spec;
  if (type === 'ExternalName' || !clusterIP || clusterIP === 'None') return [];
  return clusterIPs?.length ? clusterIPs : [clusterIP];
}

const serviceKeyOf = (slice: EndpointSlice): string | undefined => {
  const name = slice.metadata.labels?.[serviceNameLabel];
  return name ? `${slice.metadata.namespace}/${name}` : undefined;
};

function* sliceTargets(slice: EndpointSlice): Iterable<Target> {
  if (slice.addressType === 'FQDN') return;
  for (const endpoint of slice.endpoints ?? []) {
    if (endpoint.conditions?.ready === false) continue;
    for (const address of endpoint.addresses)
      yield { hostname: (endpoint.hostname || dashed(address)).toLowerCase(), address, ports: slice.ports ?? [] };
  }
}

function targetsOf(slices: Iterable<EndpointSlice>): TargetsByHostname {
  const found = new Map<string, Target[]>();
  for (const slice of slices) {
    for (const target of sliceTargets(slice)) {
      const same = found.get(target.hostname);
      if (same) same.push(target);
      else found.set(target.hostname, [target]);
    }
  }
  return found;
}
