// The fields of a KubeletConfiguration that concern the managers of CPUs, memory and topology.
import { featureGates } from '../api/feature-gates.ts';
import { parseDuration } from '../api/scalar.ts';
import { cpuPolicyOptions, noCpuOptions } from '../kubelet/cpu/kernel/cpu-policy.ts';
import { milliOf } from '../kubelet/kernel/amount.ts';
import { checkReservations, type MemoryReservation } from '../kubelet/memory/kernel/reserved-memory.ts';
import type { TopologyManagerPolicy } from '../kubelet/topology/kernel/hint-merge.ts';
import { topologyPolicyOptions } from '../kubelet/topology/kernel/topology-options.ts';
import { anyManager, type ManagerSettings } from '../kubelet/topology/resource-managers.ts';
import { defaultTopologySettings, type TopologySettings } from '../kubelet/topology/topology-manager.ts';
import { integer, invalid, isMap, milliseconds, quantities, type Strings, typed } from './kubelet-values.ts';

export type ManagersGiven = Readonly<{
  cpuManagerPolicy?: string;
  cpuManagerPolicyOptions?: Strings;
  cpuManagerReconcilePeriod?: string;
  reservedSystemCPUs?: string;
  systemReserved?: Strings;
  kubeReserved?: Strings;
  memoryManagerPolicy?: string;
  reservedMemory?: readonly MemoryReservation[];
  topologyManagerPolicy?: string;
  topologyManagerScope?: string;
  topologyManagerPolicyOptions?: Strings;
  featureGates?: Readonly<Record<string, boolean>>;
}>;

const oneOf =
  (...allowed: readonly string[]) =>
  (value: unknown, name: string): void => {
    if (value !== '' && !allowed.includes(typed<string>(value, name, 'string')))
      throw invalid(name, value, `must be one of ${allowed.map(a => JSON.stringify(a)).join(', ')}`);
  };

function texts(value: unknown, name: string): void {
  if (!isMap(value) || !Object.values(value).every(v => typeof v === 'string'))
    throw invalid(name, value, 'must be a map of strings');
}

export const managerFields: Readonly<Record<string, (value: unknown, name: string) => void>> = {
  cpuManagerPolicy: oneOf('none', 'static'),
  cpuManagerPolicyOptions: texts,
  cpuManagerReconcilePeriod: milliseconds,
  memoryManagerPolicy: oneOf('None', 'Static'),
  reservedMemory(value, name) {
    if (!Array.isArray(value)) throw invalid(name, value, 'must be a list');
    for (const [i, entry] of value.entries()) {
      if (!isMap(entry)) throw invalid(`${name}[${i}]`, entry, 'must be a map');
      integer(entry.numaNode ?? 0, `${name}[${i}].numaNode`, 0);
      quantities(entry.limits ?? {}, `${name}[${i}].limits`);
    }
  },
  topologyManagerPolicy: oneOf('none', 'best-effort', 'restricted', 'single-numa-node'),
  topologyManagerScope: oneOf('container', 'pod'),
  topologyManagerPolicyOptions: texts,
};

/** Undefined: no manager has anything to do. Throws what does not go together. */
export function managerSettings(given: ManagersGiven): ManagerSettings | undefined {
  const on = featureGates(given.featureGates ?? {});
  const cpuPolicy = given.cpuManagerPolicy === 'static' ? 'static' : 'none';
  const topology = topologySettings(given);
  const reconcileMs = given.cpuManagerReconcilePeriod ? parseDuration(given.cpuManagerReconcilePeriod) / 1e6 : 0;
  const reserved = (given.reservedMemory ?? []).map(r => ({ numaNode: r.numaNode ?? 0, limits: r.limits ?? {} }));
  checkReservations(reserved);
  const settings: ManagerSettings = {
    ...{ cpuPolicy, topology, memoryPolicy: given.memoryManagerPolicy === 'Static' ? 'Static' : 'None' },
    cpuOptions: cpuOptionsOf(given, topology, on),
    ...(reconcileMs ? { cpuReconcileMs: reconcileMs } : {}),
    ...(given.reservedSystemCPUs ? { reservedSystemCpus: given.reservedSystemCPUs } : {}),
    ...(on('DisableCPUQuotaWithExclusiveCPUs') ? {} : { quotaOnExclusiveCpus: true }),
    ...(reserved.length ? { reservedMemory: reserved } : {}),
  };
  return anyManager(settings) ? settings : undefined;
}

type IsOn = (gate: string) => boolean;

function cpuOptionsOf(given: ManagersGiven, topology: TopologySettings, on: IsOn) {
  const { cpuManagerPolicyOptions: chosen = {}, cpuManagerPolicy: policy } = given;
  if (policy !== 'static') {
    if (Object.keys(chosen).length)
      throw new Error(`None policy: received unsupported options=${JSON.stringify(chosen)}`);
    return noCpuOptions;
  }
  const gates = { alpha: on('CPUManagerPolicyAlphaOptions'), beta: on('CPUManagerPolicyBetaOptions') };
  const options = cpuPolicyOptions(chosen, gates);
  if (options.alignBySocket && topology.policy === 'single-numa-node')
    throw new Error(
      'cpuManagerPolicyOptions: align-by-socket cannot be used with topologyManagerPolicy single-numa-node',
    );
  const amount = milliOf(given.systemReserved?.cpu) + milliOf(given.kubeReserved?.cpu);
  if (!given.reservedSystemCPUs && amount === 0)
    throw new Error(
      'cpuManagerPolicy: the static policy requires systemreserved.cpu + kubereserved.cpu to be greater than zero',
    );
  return options;
}

function topologySettings(given: ManagersGiven): TopologySettings {
  const {
    topologyManagerPolicy: policy,
    topologyManagerScope: scope,
    topologyManagerPolicyOptions: chosen = {},
  } = given;
  return {
    ...defaultTopologySettings,
    ...(policy ? { policy: policy as TopologyManagerPolicy } : {}),
    ...(scope === 'pod' ? { scope } : {}),
    ...topologyPolicyOptions(chosen),
  };
}
