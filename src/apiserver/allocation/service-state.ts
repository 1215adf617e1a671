// Who has which cluster IP and node port.
import type { KubeObject } from '../../api/meta.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { Random } from '../../base/random.ts';
import { IpAllocator } from './kernel/ip-allocator.ts';
import { type Allocation, PortAllocator } from './kernel/port-allocator.ts';

export interface StateOptions {
  readonly serviceCidrs: readonly string[];
  readonly nodePortRange: readonly [number, number];
  readonly random: Random;
}

/** Owners (uids) guard releases: what another service got meanwhile is not released by the one before it. */
export class ServiceState {
  readonly cidrs: readonly IpAllocator[];
  readonly ports: PortAllocator;
  readonly #random: Random;
  readonly #ipOwners = new Map<string, string>();
  readonly #portOwners = new Map<number, string>();

  constructor(options: StateOptions) {
    this.cidrs = options.serviceCidrs.map(cidr => new IpAllocator(cidr));
    this.ports = new PortAllocator(...options.nodePortRange);
    this.#random = options.random;
  }

  /** Takes what a stored service has. */
  adopt(service: Service): void {
    const { uid } = service.metadata;
    for (const ip of ipsOf(service)) this.takeIp(ip, uid);
    for (const port of portsOf(service)) this.takePort(port, uid);
  }

  takeIp(ip: string, uid: string): Allocation {
    let result: Allocation = 'outOfRange';
    for (const range of this.cidrs) {
      result = range.allocate(ip);
      if (result !== 'outOfRange') break;
    }
    if (result === 'done') this.#ipOwners.set(ip, uid);
    return result;
  }

  nextIp(family: string, uid: string): string | undefined {
    for (const range of this.cidrs) {
      if (range.family !== family) continue;
      const ip = range.allocateNext(this.#random);
      if (ip === undefined) continue;
      this.#ipOwners.set(ip, uid);
      return ip;
    }
    return undefined;
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

/** The addresses a service holds; none for a headless one. */
export const ipsOf = (service: Service): string[] =>
  service.spec.type === 'ExternalName' ? [] : (service.spec.clusterIPs ?? []).filter(ip => ip !== 'None' && ip !== '');

/** All node ports a service holds, each once. */
export function portsOf(service: Service): number[] {
  const ports = (service.spec.ports ?? []).map(p => p.nodePort ?? 0);
  return [...new Set([...ports, service.spec.healthCheckNodePort ?? 0])].filter(p => p !== 0);
}

export const asService = (object: KubeObject): Service => object as Service;
