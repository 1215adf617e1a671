// The static policy: containers of Guaranteed pods that ask for whole CPUs have them for themselves.
import { join } from 'node:path';
import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';
import { isSidecar } from '../kernel/restart-policy.ts';
import { StateFile } from '../state/state-file.ts';
import { AdmissionError, type HintProvider } from '../topology/hint-provider.ts';
import { type Hint, type Hints, hintsWhere, type NodeMask, nodesOf } from '../topology/kernel/hint.ts';
import {
  allCpus,
  type Cpu,
  cpusOfNodes,
  type MachineTopology,
  threadsPerCore,
} from '../topology/kernel/machine-topology.ts';
import type { CpuFigures, ManagerMetrics } from '../topology/manager-metrics.ts';
import { CpuBook } from './kernel/cpu-book.ts';
import { chooseCpus } from './kernel/cpu-choice.ts';
import { type CpuPolicyOptions, exclusiveCpus, exclusiveCpusOfPod } from './kernel/cpu-policy.ts';
import { type CpuSet, formatCpus, noCpus } from './kernel/cpu-set.ts';
import { decodeCpuState, encodeCpuState } from './kernel/cpu-state.ts';

export interface CpuManagerOptions {
  /** The kubelet's. */
  readonly root: string;
  readonly host: Host;
  readonly log: Log;
  readonly topology: MachineTopology;
  readonly options: CpuPolicyOptions;
  readonly reserved: CpuSet;
  readonly metrics: ManagerMetrics;
  /** What containers share is more or less than before. */
  onShared(): void;
}

export const cpuStateFile = (root: string, host: Host, log: Log) =>
  new StateFile({
    ...{ path: join(root, 'cpu_manager_state'), owner: 'CPU manager', host, log },
    ...{ encode: encodeCpuState, decode: decodeCpuState },
  });

const policyName = 'static';

export class CpuManager implements HintProvider {
  readonly #o: CpuManagerOptions;
  readonly #file: ReturnType<typeof cpuStateFile>;
  readonly #all: CpuSet;
  #book: CpuBook;
  #changed = false;

  constructor(options: CpuManagerOptions) {
    this.#o = options;
    const { root, host, log, topology, reserved } = options;
    this.#file = cpuStateFile(root, host, log);
    this.#all = allCpus(topology);
    this.#book = new CpuBook(options.options.strictReservation ? this.#all.difference(reserved) : this.#all);
    options.metrics.cpus(() => this.#figures());
  }

  /** Takes up what was given out before a restart. Rejects where that does not fit the machine or the configuration. */
  async restore(): Promise<void> {
    const state = await this.#file.read(policyName);
    if (state) {
      this.#book = CpuBook.of(state);
      try {
        this.#book.verify(this.#all, this.#o.reserved, this.#o.options.strictReservation);
      } catch (error) {
        const path = JSON.stringify(join(this.#o.root, 'cpu_manager_state'));
        throw new Error(
          `start cpu manager error: ${(error as Error).message}, please drain this node and delete the CPU manager checkpoint file ${path} before restarting Kubelet`,
          { cause: error },
        );
      }
    }
    await this.#file.write(() => this.#book.toState(policyName));
  }

  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    await this.#file.write(() => this.#book.toState(policyName));
  }

  // ---- what is whose ----

  /** CPUs that a container may have for itself at all. */
  get allocatable(): CpuSet {
    return this.#all.difference(this.#o.reserved);
  }

  exclusive(uid: string, container: string): CpuSet | undefined {
    return this.#book.exclusive(uid, container);
  }

  hasExclusive(uid: string): boolean {
    return this.#book.ofPod(uid).size > 0;
  }

  /** Where the container runs, as a runtime is told. */
  cpusOf(uid: string, container: string): string {
    return formatCpus(this.exclusive(uid, container) ?? this.#book.shared);
  }

  #figures(): CpuFigures {
    const { assigned, shared } = this.#book;
    const { nodes } = this.#o.topology;
    const byNode = nodes.map(n => [n.id, this.#inNodes(assigned, new Set([n.id])).size] as const);
    return {
      sharedMilli: shared.difference(this.#o.reserved).size * 1000,
      exclusive: assigned.size,
      byNode: new Map(byNode),
    };
  }

  #inNodes(cpus: CpuSet, nodes: ReadonlySet<number>): CpuSet {
    return cpus.intersection(cpusOfNodes(this.#o.topology, nodes));
  }

  // ---- giving and taking ----

  keepOnly(uids: ReadonlySet<string>): void {
    this.#note(this.#book.keepOnly(uids));
  }

  release(uid: string): void {
    this.#note(this.#book.release(uid));
  }

  #note(changed: boolean): void {
    if (!changed) return;
    this.#changed = true;
    this.#o.onShared();
  }

  allocate(pod: Pod, container: Container, nodes: NodeMask | undefined): void {
    const count = exclusiveCpus(pod, container);
    const uid = pod.metadata.uid ?? '';
    if (count === 0 || this.#book.exclusive(uid, container.name)) return;
    const { metrics, log, options } = this.#o;
    metrics.count('cpuPinningRequests');
    try {
      const cpus = this.#choose(pod, count, nodes);
      this.#book.assign(uid, container.name, cpus);
      this.#note(true);
      log.info('exclusive CPUs', { pod: pod.metadata.name, container: container.name, cpus: formatCpus(cpus) });
      if (options.fullPcpusOnly) metrics.aligned('physical_cpu', 'container', true);
      if (options.alignByCache && this.#domains(cpus, c => c.cache) === 1)
        metrics.aligned('uncore_cache', 'container', true);
    } catch (error) {
      metrics.count('cpuPinningErrors');
      if (error instanceof AdmissionError) metrics.aligned('physical_cpu', 'container', false);
      throw error;
    }
  }

  #choose(pod: Pod, count: number, nodes: NodeMask | undefined): CpuSet {
    const { topology, options } = this.#o;
    const reusable = this.#reusable(pod);
    const free = this.#free().union(reusable);
    if (options.fullPcpusOnly) this.#checkCores(free, count);
    const pool = options.fullPcpusOnly ? wholeCores(topology, free) : free;
    const choice = {
      ...{ acrossNuma: options.distributeAcrossNuma, acrossCores: options.distributeAcrossCores },
      ...{ byCache: options.alignByCache, wholeCores: options.fullPcpusOnly },
    };
    const take = (from: CpuSet, n: number) => (n > 0 ? chooseCpus(topology, from, n, choice) : noCpus);
    if (pool.size < count) return take(pool, count);
    const near = nodes === undefined ? pool : this.#inNodes(pool, this.#reach(nodes));
    const own = near.intersection(reusable);
    const first = own.size >= count ? take(own, count) : take(near, Math.min(count, near.size));
    return first.union(take(pool.difference(first), count - first.size));
  }

  #checkCores(free: CpuSet, count: number): void {
    const { topology } = this.#o;
    const threads = threadsPerCore(topology);
    const refuse = (why: string) => new AdmissionError('SMTAlignmentError', `SMT Alignment Error: ${why}`);
    if (count % threads) throw refuse(`requested ${count} cpus not multiple cpus per core = ${threads}`);
    const available = wholeCores(topology, free).size;
    if (available < count)
      throw refuse(
        `not enough free physical CPUs: available physical CPUs = ${available}, requested CPUs = ${count}, CPUs per core = ${threads}`,
      );
  }

  /** CPUs nobody has for himself, without those that are the system's. */
  #free(): CpuSet {
    return this.#book.shared.difference(this.#o.reserved);
  }

  /** What earlier init containers of the pod had: they have ended when its other containers run. */
  #reusable(pod: Pod): CpuSet {
    const uid = pod.metadata.uid ?? '';
    const of = (containers: readonly Container[]) =>
      containers.reduce<CpuSet>((all, c) => all.union(this.#book.exclusive(uid, c.name) ?? noCpus), noCpus);
    const inits = pod.spec.initContainers ?? [];
    const kept = [...inits.filter(isSidecar), ...pod.spec.containers];
    return of(inits.filter(c => !isSidecar(c))).difference(of(kept));
  }

  /** The nodes, or all of their sockets. */
  #reach(nodes: NodeMask): ReadonlySet<number> {
    const own = new Set(nodesOf(nodes));
    if (!this.#o.options.alignBySocket) return own;
    const { cpus } = this.#o.topology;
    const sockets = new Set(cpus.filter(c => own.has(c.node)).map(c => c.socket));
    return new Set(cpus.filter(c => sockets.has(c.socket)).map(c => c.node));
  }

  #domains(cpus: CpuSet, of: (cpu: Cpu) => number): number {
    return new Set(this.#o.topology.cpus.filter(c => cpus.has(c.id)).map(of)).size;
  }

  // ---- hints ----

  containerHints(pod: Pod, container: Container): Hints {
    const count = exclusiveCpus(pod, container);
    if (count === 0) return {};
    const own = this.#book.exclusive(pod.metadata.uid ?? '', container.name);
    if (own) return { cpu: own.size === count ? this.#hints(own, noCpus, count) : [] };
    return { cpu: this.#hints(this.#free(), this.#reusable(pod), count) };
  }

  podHints(pod: Pod): Hints {
    const count = exclusiveCpusOfPod(pod);
    if (count === 0) return {};
    const own = this.#book.ofPod(pod.metadata.uid ?? '');
    if (own.size) return { cpu: own.size === count ? this.#hints(own, noCpus, count) : [] };
    return { cpu: this.#hints(this.#free(), noCpus, count) };
  }

  #hints(free: CpuSet, reusable: CpuSet, count: number): readonly Hint[] {
    const { topology, options } = this.#o;
    const within = (cpus: CpuSet, mask: NodeMask) => this.#inNodes(cpus, new Set(nodesOf(mask)));
    const hints = hintsWhere(
      topology,
      mask => within(this.#all, mask).size >= count,
      mask => reusable.isSubsetOf(within(reusable, mask)) && within(free.union(reusable), mask).size >= count,
    );
    if (!options.alignBySocket) return hints;
    const sockets = (mask: NodeMask) => this.#domains(within(this.#all, mask), c => c.socket);
    const perSocket =
      this.#all.size /
      Math.max(
        1,
        this.#domains(this.#all, c => c.socket),
      );
    const least = Math.ceil(count / perSocket);
    return hints.map(h => ({ ...h, preferred: h.preferred || sockets(h.nodes!) === least }));
  }
}

/** CPUs of cores all of whose threads are among these. */
function wholeCores({ cpus }: MachineTopology, free: CpuSet): CpuSet {
  const cores = [...Map.groupBy(cpus, c => c.core).values()];
  return new Set(cores.filter(core => core.every(c => free.has(c.id))).flatMap(core => core.map(c => c.id)));
}
