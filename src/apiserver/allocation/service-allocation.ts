// Cluster IPs and node ports of Services, allocated as they are written.
import { FieldErrors, type FieldPath, path } from '../../api/field-error.ts';
import { cloneDeep, type KubeObject, type Mutable } from '../../api/meta.ts';
import { canonicalIp } from '../../api/rule/core/ip-warning.ts';
import {
  isHeadless,
  needsClusterIp,
  needsHealthCheckNodePort,
  needsNodePort,
} from '../../api/rule/core/service-need.ts';
import { schemaOf } from '../../api/schema.ts';
import { internalError, invalid, type StatusError } from '../../api/status.ts';
import type { Service } from '../../api/type/core-v1.ts';
import type { Random } from '../../base/random.ts';
import type { RegistryHooks } from '../registry/registry.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AllocationCounts, Scope } from './allocation-counts.ts';
import { claim } from './claim.ts';
import type { IpAddresses } from './ip-addresses.ts';
import { settleFamilies } from './ip-family.ts';
import type { Allocation } from './kernel/port-allocator.ts';
import type { PortLedger } from './port-ledger.ts';
import { asService, ipsOf, portsOf, ServiceState } from './service-state.ts';

export interface ServiceHookDeps {
  /** The services' cache, read when the first service is written. */
  readonly cache: Pick<WatchCache, 'snapshot'>;
  /** Their families are the cluster's, the first one's the default. */
  readonly serviceCidrs: readonly string[];
  /** First and last node port. */
  readonly nodePortRange: readonly [number, number];
  readonly random: Random;
  /** The objects kept of addresses; absent: none are. */
  readonly addresses?: IpAddresses;
  /** Other servers give out addresses and ports too. */
  readonly shared?: { readonly ledger: PortLedger; readonly listen: WatchCache['listen'] };
  readonly counts?: AllocationCounts;
  /** The ranges there are now; absent: the configured ones. */
  readonly ranges?: () => readonly string[];
}

const SPEC = path('spec');

type Port = NonNullable<Mutable<Service>['spec']['ports']>[number];

/**
 * Gives new services what they need, takes back what deleted ones had. A write that fails, and a dry run, leave nothing
 * allocated; what an update gives up is free once the update is durable.
 */
export function serviceHooks(deps: ServiceHookDeps): RegistryHooks {
  const { addresses } = deps;
  let loaded: ServiceState | undefined;
  const state = (): ServiceState => {
    loaded ??= load(deps);
    if (deps.counts) deps.counts.state = loaded;
    if (deps.ranges) loaded.setRanges(deps.ranges());
    return loaded;
  };
  const ledger = deps.shared?.ledger;
  const run = (work: Allocating, dryRun: boolean) => {
    try {
      return work.run();
    } catch (error) {
      const { failed } = work;
      if (failed && !dryRun) deps.counts?.count(failed.what, 'failed', failed.scope, failed.cidr);
      throw error;
    }
  };
  const countDone = (work: Allocating, requested: ReadonlySet<string | number>) => {
    const scopeOf = (one: string | number): Scope => (requested.has(one) ? 'static' : 'dynamic');
    for (const ip of work.newIps) deps.counts?.count('ip', 'done', scopeOf(ip), state().rangeOf(ip));
    for (const port of work.newPorts) deps.counts?.count('port', 'done', scopeOf(port));
  };
  /** `lost`: somebody else was faster, and something else may be had. */
  const attempt = async (object: Mutable<Service>, old: Service | undefined, dryRun: boolean) => {
    const asked = cloneDeep(object.spec);
    const requested = new Set<string | number>([...ipsOf(object), ...portsOf(object)]);
    const work = new Allocating(state(), object, old);
    const undo = run(work, dryRun);
    if (dryRun) return { undo };
    const done = () => countDone(work, requested);
    try {
      const claimed = await claim(work, object as Service, addresses, ledger);
      if ('giveBack' in claimed) {
        done();
        return {
          undo() {
            undo();
            claimed.giveBack();
          },
        };
      }
      const { ip, port } = claimed.lost;
      if (ip !== undefined && ipsOf({ spec: asked }).includes(ip)) throw work.refuseIp(ip, 'taken');
      if (port !== undefined && portsOf({ spec: asked }).includes(port)) throw work.refusePort(port);
    } catch (error) {
      undo();
      throw error;
    }
    object.spec = asked;
    return { lost: undo };
  };
  const write = async (object: Mutable<KubeObject>, old: KubeObject | undefined, dryRun: boolean) => {
    // Held until something is found, so that it is not tried twice.
    const lost: (() => void)[] = [];
    try {
      for (;;) {
        const result = await attempt(object as Mutable<Service>, old && asService(old), dryRun);
        if (result.undo) return result.undo;
        lost.push(result.lost);
      }
    } finally {
      for (const undo of lost) undo();
    }
  };
  const release = async (old: Service, now: Service | undefined) => {
    const gone = releaseAll(state(), old, now);
    if (addresses) await Promise.all(gone.map(ip => addresses.giveBack(ip, old)));
    const kept = new Set(now ? portsOf(now) : []);
    const ports = portsOf(old).filter(port => !kept.has(port));
    // What a failure leaves behind the next repair finds.
    if (ledger && ports.length) await ledger.release(ports).catch(() => {});
  };
  return {
    beforeCreate: (object, context) => write(object, undefined, context.dryRun),
    beforeUpdate: (object, old, context) =>
      context.subresource === '' ? write(object, old, context.dryRun) : Promise.resolve(undefined),
    afterUpdate: (object, old) => release(asService(old), asService(object)),
    afterDelete: object => release(asService(object), undefined),
  };
}

function load(deps: ServiceHookDeps): ServiceState {
  const { addresses } = deps;
  const state = new ServiceState({ ...deps, ...(addresses ? { isHeld: addresses.isHeld } : {}) });
  deps.cache.snapshot().scan('', undefined, stored => {
    state.adopt(asService(stored.object));
    return undefined;
  });
  // What other servers give out and take back.
  deps.shared?.listen({
    onEvent({ type, stored, previous }) {
      const now = type === 'DELETED' ? undefined : asService(stored.object);
      if (previous) releaseAll(state, asService(previous.object), now);
      if (now) state.adopt(now);
    },
  });
  return state;
}

// What `old` had and `now` has not; gives the addresses among it.
function releaseAll(state: ServiceState, old: Service, now: Service | undefined): string[] {
  const { uid } = old.metadata;
  const ips = new Set(now ? ipsOf(now) : []);
  const ports = new Set(now ? portsOf(now) : []);
  const gone = ipsOf(old).filter(ip => !ips.has(ip));
  for (const ip of gone) state.releaseIp(ip, uid);
  for (const port of portsOf(old)) if (!ports.has(port)) state.releasePort(port, uid);
  return gone;
}

/** One write's allocations, undone together. */
class Allocating {
  /** Why it threw, when nothing was to be had. */
  failed: { readonly what: 'ip' | 'port'; readonly scope: Scope; readonly cidr?: string } | undefined;
  readonly #state: ServiceState;
  readonly #service: Mutable<Service>;
  readonly #uid: string;
  readonly #heldIps: ReadonlySet<string>;
  readonly #heldPorts: ReadonlySet<number>;
  readonly #old: Service | undefined;
  readonly #undo: (() => void)[] = [];
  /** Addresses this write takes. */
  readonly newIps: string[] = [];
  readonly newPorts: number[] = [];

  constructor(state: ServiceState, service: Mutable<Service>, old: Service | undefined) {
    this.#state = state;
    this.#service = service;
    this.#uid = service.metadata.uid;
    this.#old = old;
    this.#heldIps = new Set(old ? ipsOf(old) : []);
    this.#heldPorts = new Set(old ? portsOf(old) : []);
  }

  run(): () => void {
    try {
      this.#clusterIps();
      this.#nodePorts();
      this.#healthCheckNodePort();
    } catch (error) {
      this.#rollBack();
      throw error;
    }
    this.#service.spec = inSchemaOrder('io.k8s.api.core.v1.ServiceSpec', this.#service.spec);
    return () => this.#rollBack();
  }

  #rollBack(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #clusterIps(): void {
    const { spec } = this.#service;
    if (!needsClusterIp(spec)) return;
    const errors = settleFamilies(this.#service, this.#state.families, this.#old);
    if (!errors.empty) throw this.#invalid(errors);
    if (isHeadless(spec)) return;
    const asked = spec.clusterIPs ?? [];
    const given = (spec.ipFamilies ?? []).map((family, i) => {
      const ip = asked[i];
      return ip ? this.#takeIp(ip, asked) : this.#nextIp(family);
    });
    spec.clusterIPs = given;
    spec.clusterIP = spec.clusterIPs[0]!;
  }

  #takeIp(text: string, asked: readonly string[]): string {
    const ip = canonicalIp(text)!;
    if (this.#heldIps.has(ip)) return text;
    const result = this.#state.takeIp(ip, this.#uid);
    if (result !== 'done') {
      const cidr = this.#state.rangeOf(ip);
      // What is of no range, no range has refused.
      if (cidr) this.failed = { what: 'ip', scope: 'static', cidr };
      throw this.refuseIp(ip, result, asked);
    }
    this.#took(ip);
    return text;
  }

  #took(ip: string): void {
    this.newIps.push(ip);
    this.#undo.push(() => this.#state.releaseIp(ip, this.#uid));
  }

  refuseIp(
    ip: string,
    result: 'taken' | 'outOfRange',
    asked: readonly string[] = this.#service.spec.clusterIPs ?? [],
  ): StatusError {
    const range = this.#state.rangeOf(ip);
    const why =
      result === 'taken'
        ? 'provided IP is already allocated'
        : range
          ? `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${range}`
          : 'the provided network does not match the current range';
    const errors = new FieldErrors();
    errors.invalid(SPEC.child('clusterIPs'), asked, `failed to allocate IP ${ip}: ${why}`);
    return this.#invalid(errors);
  }

  #nextIp(family: string): string {
    const ip = this.#state.nextIp(family, this.#uid);
    if (ip === undefined) {
      const cidr = this.#state.cidrs.find(range => range.family === family)?.cidr;
      this.failed = { what: 'ip', scope: 'dynamic', ...(cidr ? { cidr } : {}) };
      throw internalError(new Error('failed to allocate a serviceIP: range is full'));
    }
    this.#took(ip);
    return ip;
  }

  #nodePorts(): void {
    const { spec } = this.#service;
    if (spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') return;
    const ports = spec.ports ?? [];
    // Without allocation only what is asked for by number is taken.
    const some = needsNodePort(spec) ? ports : ports.filter(p => p.nodePort);
    for (const port of some) {
      const at = SPEC.child('ports').index(ports.indexOf(port)).child('nodePort');
      if (this.#old) this.#updatePort(port, at);
      else this.#newPort(port, ports, at);
    }
    spec.ports = ports.map(p => inSchemaOrder('io.k8s.api.core.v1.ServicePort', p));
  }

  // In a new service, ports of one number share a node port, whatever their protocols.
  readonly #byNumber = new Map<number, number>();

  #newPort(port: Port, ports: readonly Port[], at: FieldPath): void {
    const shared = this.#byNumber.get(port.port);
    if (shared !== undefined) {
      if (port.nodePort && port.nodePort !== shared) this.#takePort(port.nodePort, at);
      port.nodePort ||= shared;
      return;
    }
    const asked = ports.find(p => p.port === port.port && p.nodePort)?.nodePort;
    if (asked) this.#takePort(asked, at);
    const given = asked ?? this.#nextPort('a nodePort');
    // Its own number, if it names another than the first of its like, is taken too.
    if (port.nodePort && port.nodePort !== given) this.#takePort(port.nodePort, at);
    port.nodePort ||= given;
    this.#byNumber.set(port.port, given);
  }

  readonly #taken = new Set<number>();

  #updatePort(port: Port, at: FieldPath): void {
    const { nodePort } = port;
    if (!nodePort) port.nodePort = this.#nextPort('a nodePort');
    else if (!this.#heldPorts.has(nodePort) && !this.#taken.has(nodePort)) {
      this.#takePort(nodePort, at);
      this.#taken.add(nodePort);
    }
  }

  #healthCheckNodePort(): void {
    const { spec } = this.#service;
    if (!needsHealthCheckNodePort(spec)) return;
    const asked = spec.healthCheckNodePort;
    if (!asked) spec.healthCheckNodePort = this.#nextPort('a HealthCheck NodePort 0');
    else if (!this.#heldPorts.has(asked)) {
      const result = this.#tryPort(asked);
      if (result !== 'done')
        throw internalError(
          new Error(`failed to allocate requested HealthCheck NodePort ${asked}: ${this.#portFault(result)}`),
        );
    }
  }

  #takePort(port: number, at: FieldPath): void {
    const result = this.#tryPort(port);
    if (result === 'done') return;
    const errors = new FieldErrors();
    errors.invalid(at, port, this.#portFault(result));
    throw this.#invalid(errors);
  }

  #tryPort(port: number): Allocation {
    const result = this.#state.takePort(port, this.#uid);
    if (result === 'done') this.#tookPort(port);
    else this.failed = { what: 'port', scope: 'static' };
    return result;
  }

  #tookPort(port: number): void {
    this.newPorts.push(port);
    this.#undo.push(() => this.#state.releasePort(port, this.#uid));
  }

  refusePort(port: number): StatusError {
    const at = (this.#service.spec.ports ?? []).findIndex(p => p.nodePort === port);
    if (at < 0)
      return internalError(
        new Error(`failed to allocate requested HealthCheck NodePort ${port}: ${this.#portFault('taken')}`),
      );
    const errors = new FieldErrors();
    errors.invalid(SPEC.child('ports').index(at).child('nodePort'), port, this.#portFault('taken'));
    return this.#invalid(errors);
  }

  #nextPort(what: string): number {
    const port = this.#state.nextPort(this.#uid);
    if (port === undefined) {
      this.failed = { what: 'port', scope: 'dynamic' };
      throw internalError(new Error(`failed to allocate ${what}: range is full`));
    }
    this.#tookPort(port);
    return port;
  }

  #portFault(result: Allocation): string {
    const { first, last } = this.#state.ports;
    return result === 'taken'
      ? 'provided port is already allocated'
      : `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
  }

  #invalid(errors: FieldErrors): StatusError {
    return invalid({ group: '', resource: 'Service' }, this.#service.metadata.name, errors.list);
  }
}

// Allocation adds members; bytes are canonical only in the schema's order.
function inSchemaOrder<T extends object>(typeName: string, value: T): T {
  const out: Record<string, unknown> = {};
  for (const { name } of schemaOf(typeName).fields) {
    const member = (value as Record<string, unknown>)[name];
    if (member !== undefined) out[name] = member;
  }
  return out as T;
}
