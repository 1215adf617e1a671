// Who has which cluster IP and node port.
import type { KubeObject } from '../../api/meta.ts';
import type { IpFamily } from '../../api/rule/core/ip-value.ts';
import { canonicalIp } from '../../api/rule/core/ip-warning.ts';
import { mayHaveNodePort } from '../../api/rule/core/service-need.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { Random } from '../../base/random.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { IpAllocator, inCidr } from './kernel/ip-allocator.ts';
import { type Allocation, PortAllocator } from './kernel/port-allocator.ts';

export interface StateOptions {
  readonly serviceCidrs: readonly string[];
  readonly nodePortRange: readonly [number, number];
  readonly random: Random;
  /** Whether an address is spoken for by an object of somebody else's. */
  isHeld?(ip: string): boolean;
}

/** Owners (uids) guard releases: what another service got meanwhile is not released by the one before it. */
export class ServiceState {
  cidrs: readonly IpAllocator[];
  /** The cluster's, the default one first. */
  readonly families: readonly IpFamily[];
  readonly ports: PortAllocator;
  readonly #random: Random;
  readonly #isHeld: (ip: string) => boolean;
  readonly #ipOwners = new Map<string, string>();
  readonly #portOwners = new Map<number, string>();

  constructor(options: StateOptions) {
    this.cidrs = options.serviceCidrs.map(cidr => new IpAllocator(cidr));
    this.families = [...new Set(this.cidrs.map(({ family }) => family))];
    this.ports = new PortAllocator(...options.nodePortRange);
    this.#random = options.random;
    this.#isHeld = ip => options.isHeld?.(ip) ?? false;
  }

  /** The ranges from now on; addresses given out of one that goes stay their owners'. */
  setRanges(cidrs: readonly string[]): void {
    this.cidrs = cidrs.map(cidr => this.cidrs.find(c => c.cidr === cidr) ?? this.#newRange(cidr));
  }

  #newRange(cidr: string): IpAllocator {
    const range = new IpAllocator(cidr);
    for (const ip of this.#ipOwners.keys()) range.allocate(ip);
    return range;
  }

  /** Takes what a stored service has: from then on it is that service's, whoever tried to get it. */
  adopt(service: Service): void {
    const { uid } = service.metadata;
    for (const ip of ipsOf(service)) this.#own(ip, uid);
    for (const port of portsOf(service)) if (this.takePort(port, uid) === 'taken') this.#portOwners.set(port, uid);
  }

  /** The range an address is of; '' for none. */
  rangeOf(ip: string): string {
    return this.cidrs.find(range => inCidr(range.cidr, ip))?.cidr ?? '';
  }

  takeIp(ip: string, uid: string): Allocation {
    if (!this.cidrs.some(range => range.holds(ip))) return 'outOfRange';
    if (this.#ipOwners.has(ip) || this.#isHeld(ip)) return 'taken';
    this.#own(ip, uid);
    return 'done';
  }

  // Also of what is in no range now: one may come. Ranges may overlap.
  #own(ip: string, uid: string): void {
    this.#ipOwners.set(ip, uid);
    for (const range of this.cidrs) range.allocate(ip);
  }

  nextIp(family: string, uid: string): string | undefined {
    for (const range of this.cidrs) {
      if (range.family !== family) continue;
      const ip = this.#nextOf(range);
      if (ip === undefined) continue;
      this.#own(ip, uid);
      return ip;
    }
    return undefined;
  }

  #nextOf(range: IpAllocator): string | undefined {
    const passed: string[] = [];
    for (;;) {
      const ip = range.allocateNext(this.#random);
      if (ip !== undefined && this.#isHeld(ip)) {
        passed.push(ip);
        continue;
      }
      for (const p of passed) range.release(p);
      return ip;
    }
  }

  releaseIp(ip: string, uid: string): void {
    if (this.#ipOwners.get(ip) !== uid) return;
    this.#ipOwners.delete(ip);
    for (const range of this.cidrs) range.release(ip);
  }

  takePort(port: number, uid: string): Allocation {
    const result = this.ports.allocate(port);
    if (result === 'done') this.#portOwners.set(port, uid);
    return result;
  }

  nextPort(uid: string): number | undefined {
    const port = this.ports.allocateNext(this.#random);
    if (port !== undefined) this.#portOwners.set(port, uid);
    return port;
  }

  releasePort(port: number, uid: string): void {
    if (this.#portOwners.get(port) !== uid) return;
    this.#portOwners.delete(port);
    this.ports.release(port);
  }
}

/** The addresses a service holds, in canonical text however they are written; none for a headless one. */
export const ipsOf = ({ spec }: Pick<Service, 'spec'>): string[] =>
  spec.type === 'ExternalName'
    ? []
    : (spec.clusterIPs ?? []).filter(ip => ip !== 'None' && ip !== '').map(ip => canonicalIp(ip) ?? ip);

/** All node ports a service holds, each once; those an ExternalName names are nobody's. */
export function portsOf(service: Pick<Service, 'spec'>): number[] {
  if (!mayHaveNodePort(service.spec)) return [];
  const ports = (service.spec.ports ?? []).map(p => p.nodePort ?? 0);
  return [...new Set([...ports, service.spec.healthCheckNodePort ?? 0])].filter(p => p !== 0);
}

/** Node ports of all services. */
export function nodePortsInUse(services: Pick<WatchCache, 'snapshot'>): number[] {
  const ports: number[] = [];
  services.snapshot().scan('', undefined, ({ object }) => {
    ports.push(...portsOf(asService(object)));
    return undefined;
  });
  return ports;
}

export const asService = (object: KubeObject): Service => object as Service;
