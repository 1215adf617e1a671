// The managers of CPUs, memory and topology as the rest of the kubelet sees them.
import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import type { ContainerConfig } from '../../cri/type.ts';
import { CpuManager, cpuStateFile } from '../cpu/cpu-manager.ts';
import { CpuReconciler } from '../cpu/cpu-reconciler.ts';
import { chooseCpus } from '../cpu/kernel/cpu-choice.ts';
import { type CpuManagerPolicy, type CpuPolicyOptions, noCpuOptions } from '../cpu/kernel/cpu-policy.ts';
import { type CpuSet, formatCpus, parseCpus, sortedCpus } from '../cpu/kernel/cpu-set.ts';
import type { Host } from '../host/host.ts';
import type { Rejection } from '../kernel/admission.ts';
import { bytesOf, milliOf } from '../kernel/amount.ts';
import { thresholdBytes } from '../kernel/node-resource.ts';
import { qosClassOf } from '../kernel/qos.ts';
import type { ResizeProblem } from '../kernel/resize.ts';
import type { MemoryBlock } from '../memory/kernel/memory-state.ts';
import { checkReservedMemory, type MemoryReservation } from '../memory/kernel/reserved-memory.ts';
import { MemoryManager, memoryStateFile } from '../memory/memory-manager.ts';
import type { RuntimeCache } from '../runtime-cache.ts';
import type { HintProvider } from './hint-provider.ts';
import { allCpus, type MachineTopology } from './kernel/machine-topology.ts';
import { ManagerMetrics } from './manager-metrics.ts';
import { defaultTopologySettings, TopologyManager, type TopologySettings } from './topology-manager.ts';

export interface ManagerSettings {
  /** Default none. */
  readonly cpuPolicy?: CpuManagerPolicy;
  readonly cpuOptions?: CpuPolicyOptions;
  /** Between two looks at what running containers run on; default ten seconds. */
  readonly cpuReconcileMs?: number;
  /** CPUs by name in place of an amount of them. */
  readonly reservedSystemCpus?: string;
  /** Whether containers with CPUs of their own have a quota as well; default false. */
  readonly quotaOnExclusiveCpus?: boolean;
  readonly topology?: TopologySettings;
  /** Default None. */
  readonly memoryPolicy?: 'None' | 'Static';
  readonly reservedMemory?: readonly MemoryReservation[];
}

export interface ResourceManagersOptions {
  readonly settings: ManagerSettings;
  /** What is kept of the machine for the system and for Kubernetes. */
  readonly reserved: readonly Readonly<Record<string, string>>[];
  readonly evictionHard: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly topology: MachineTopology;
  /** The kubelet's. */
  readonly root: string;
  readonly host: Host;
  readonly runtime: ContainerRuntime;
  readonly cache: RuntimeCache;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly devices?: HintProvider;
  /** Pods of which something may run; undefined while that is not known for all. */
  holders(): readonly Pod[] | undefined;
}

/** Whether any of them is to do something. */
export const anyManager = ({ cpuPolicy, memoryPolicy, topology }: ManagerSettings): boolean =>
  cpuPolicy === 'static' || memoryPolicy === 'Static' || (topology?.policy ?? 'none') !== 'none';

/** Rejects where the state of an earlier kubelet is another policy's. */
export async function keepNoState(root: string, host: Host, log: Log): Promise<void> {
  const cpus = cpuStateFile(root, host, log);
  const memory = memoryStateFile(root, host, log);
  if (!(await cpus.read('none'))) await cpus.write(() => ({ policyName: 'none', defaultCpuSet: '', entries: {} }));
  if (!(await memory.read('None'))) await memory.write(() => ({ policyName: 'None', machineState: {}, entries: {} }));
}

export class ResourceManagers {
  readonly #o: ResourceManagersOptions;
  readonly #cpus: CpuManager | undefined;
  readonly #memory: MemoryManager | undefined;
  readonly #topology: TopologyManager;
  readonly #reconciler: CpuReconciler | undefined;

  /** Throws what of the configuration does not fit the machine. */
  constructor(options: ResourceManagersOptions) {
    this.#o = options;
    const { settings, root, host, log, topology, clock, runtime, cache } = options;
    const metrics = new ManagerMetrics(options.metrics);
    const common = { root, host, log, topology, metrics };
    if (settings.cpuPolicy === 'static') {
      const cpus = new CpuManager({
        ...common,
        options: settings.cpuOptions ?? noCpuOptions,
        reserved: reservedCpus(options),
        onShared: () => this.#reconciler?.hasten(),
      });
      this.#cpus = cpus;
      this.#reconciler = new CpuReconciler({
        ...{ runtime, cache, clock, log, everyMs: settings.cpuReconcileMs ?? 10_000 },
        pods: () => options.holders() ?? [],
        settle: () => this.#topology.settle(),
        cpusOf: (uid, container) => cpus.cpusOf(uid, container),
      });
    }
    if (settings.memoryPolicy === 'Static')
      this.#memory = new MemoryManager({ ...common, reserved: reservedMemory(options) });
    this.#topology = new TopologyManager({
      ...(settings.topology ?? defaultTopologySettings),
      ...{ topology, clock, log, metrics },
      providers: [options.devices, this.#cpus, this.#memory].filter(p => p !== undefined),
      holders() {
        const pods = options.holders();
        return pods && new Set(pods.map(p => p.metadata.uid ?? ''));
      },
    });
  }

  /** Takes up what was given out before a restart; before pods are taken on. */
  async restore(): Promise<void> {
    const { root, host, log } = this.#o;
    if (!this.#cpus) await cpuStateFile(root, host, log).read('none');
    if (!this.#memory) await memoryStateFile(root, host, log).read('None');
    await this.#cpus?.restore();
    await this.#memory?.restore();
  }

  get services(): readonly Service[] {
    return this.#reconciler ? [this.#reconciler] : [];
  }

  // ---- pods ----

  admit(pod: Pod): Promise<Rejection | undefined> {
    return this.#topology.admit(pod);
  }

  /** Whether the pod's CPU quota would stand in the way of CPUs that are its own. */
  unlimited(pod: Pod): boolean {
    return !this.#o.settings.quotaOnExclusiveCpus && (this.#cpus?.hasExclusive(pod.metadata.uid ?? '') ?? false);
  }

  /** What the runtime is told of a container's place. */
  placed(config: ContainerConfig, pod: Pod, container: Container): ContainerConfig {
    const uid = pod.metadata.uid ?? '';
    const cpus = this.#cpus?.cpusOf(uid, container.name);
    const nodes = this.#memory?.nodesOf(uid, container.name);
    const unlimited = !this.#o.settings.quotaOnExclusiveCpus && this.#cpus?.exclusive(uid, container.name);
    const resources = {
      ...config.linux?.resources,
      ...(cpus ? { cpuset_cpus: cpus } : {}),
      ...(nodes ? { cpuset_mems: formatCpus(nodes) } : {}),
      ...(unlimited ? { cpu_quota: 0 } : {}),
    };
    return { ...config, linux: { ...config.linux, resources } };
  }

  /** Why the pod's resources cannot change. */
  resizeProblem(pod: Pod): ResizeProblem | undefined {
    const whose = this.#cpus ? 'CPU Manager' : this.#memory ? 'Memory Manager' : undefined;
    if (!whose || qosClassOf(pod) !== 'Guaranteed') return undefined;
    return {
      reason: 'Infeasible',
      message: `Resize is infeasible for Guaranteed Pods alongside ${whose} static policy`,
    };
  }

  // ---- what monitoring agents are told ----

  cpuIds(uid: string, container: string): readonly number[] {
    return sortedCpus(this.#cpus?.exclusive(uid, container) ?? []);
  }

  memoryBlocks(uid: string, container: string): readonly MemoryBlock[] {
    return this.#memory?.blocks(uid, container) ?? [];
  }

  allocatableCpus(): readonly number[] {
    return sortedCpus(this.#cpus?.allocatable ?? []);
  }

  allocatableMemory(): readonly MemoryBlock[] {
    return this.#memory?.allocatable() ?? [];
  }
}

function reservedCpus({ settings, reserved, topology }: ResourceManagersOptions): CpuSet {
  const all = allCpus(topology);
  if (settings.reservedSystemCpus) {
    const named = parseCpus(settings.reservedSystemCpus);
    if (!named.isSubsetOf(all))
      throw new Error(`unable to reserve CPUs ${formatCpus(named)}: the machine has ${formatCpus(all)}`);
    return named;
  }
  const count = Math.ceil(reserved.reduce((sum, r) => sum + milliOf(r.cpu), 0) / 1000);
  if (count === 0)
    throw new Error('the static policy requires systemreserved.cpu + kubereserved.cpu to be greater than zero');
  return chooseCpus(topology, all, count);
}

function reservedMemory({ settings, reserved, evictionHard, memoryBytes, topology }: ResourceManagersOptions) {
  const total = (name: string) =>
    reserved.reduce((sum, r) => sum + bytesOf(r[name]), 0) +
    (name === 'memory' ? thresholdBytes(evictionHard['memory.available'], memoryBytes) : 0);
  return checkReservedMemory(settings.reservedMemory ?? [], topology, total);
}
