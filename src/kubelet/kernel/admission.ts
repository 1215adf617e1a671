import { requiredNodeAffinityMatches } from '../../api/node-affinity.ts';
import { isExtendedResource, isHugePages } from '../../api/rule/core/resource-name.ts';
import { fitsTaints, isTolerated } from '../../api/toleration.ts';
import type { Node, Pod, Taint } from '../../api/type/core-v1.ts';
import { bytesOf, milliOf } from './amount.ts';
import { hasCriticalPriority, isCritical, isStatic } from './critical-pod.ts';
import type { Pressure } from './node-condition.ts';
import { podTotal, qosClassOf } from './qos.ts';
import type { ResizeProblem } from './resize.ts';
import { isSidecar } from './restart-policy.ts';
import { forbiddenSysctl } from './sysctl.ts';

export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

export interface AdmissionInput {
  readonly pod: Pod;
  /** Pods that hold resources here, without this one. */
  readonly others: readonly Pod[];
  readonly allocatable: Readonly<Record<string, string>>;
  readonly node: Node | undefined;
  /** Devices that are given out: the node has so many, whatever its object says. */
  readonly heldDevices?: Readonly<Record<string, number>>;
  readonly operatingSystem: string;
  /** Names or prefixes that end in `*`. */
  readonly unsafeSysctls?: readonly string[];
  /** The host enforces AppArmor. */
  readonly appArmor?: boolean;
  /** What the node lacks now. */
  readonly pressure?: Pressure;
}

/** What the scheduler should have seen: whether the pod may run here. Undefined when it may. */
export const rejectionOf = (input: AdmissionInput): Rejection | undefined => misfitOf(input) ?? outOf(input);

/** Why the pod may not run here, however much room there is. */
export function misfitOf(input: AdmissionInput): Rejection | undefined {
  const { pod, node } = input;
  const pressed = pressureOn(pod, input.pressure);
  if (pressed) return pressed;
  const os = pod.spec.os?.name;
  if (os && os !== input.operatingSystem)
    return {
      reason: 'PodOSNotSupported',
      message: "Failed to admit pod as the OS field doesn't match node OS",
    };
  if (
    pod.spec.securityContext?.supplementalGroupsPolicy === 'Strict' &&
    !node?.status?.features?.supplementalGroupsPolicy
  )
    return {
      reason: 'SupplementalGroupsPolicyNotSupported',
      message: 'Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node',
    };
  const sysctl = forbiddenSysctl(pod, input.unsafeSysctls);
  if (sysctl) return { reason: 'SysctlForbidden', message: `Pod was rejected: ${sysctl}` };
  if (node && !requiredNodeAffinityMatches(pod, node))
    return { reason: 'NodeAffinity', message: 'Pod was rejected: Predicate NodeAffinity failed' };
  if (node && !isStatic(pod) && !fitsTaints(pod.spec.tolerations ?? [], node, ['NoExecute']))
    return { reason: 'TaintToleration', message: 'Pod was rejected: Predicate TaintToleration failed' };
  if (!(isStatic(pod) && hasCriticalPriority(pod)) && portConflict(pod, input.others))
    return { reason: 'NodePorts', message: 'Pod was rejected: Predicate NodePorts failed' };
  if (!input.appArmor && wantsAppArmor(pod))
    return {
      reason: 'AppArmor',
      message: 'Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host',
    };
  return undefined;
}

const memoryTaint: Taint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' };

/** A node under pressure takes no more pods; where memory alone is short, none that ask for nothing. */
function pressureOn(pod: Pod, pressure: Pressure | undefined): Rejection | undefined {
  const { memory = false, disk = false, pid = false } = pressure ?? {};
  if (!(memory || disk || pid) || isCritical(pod)) return undefined;
  if (!disk && !pid && (qosClassOf(pod) !== 'BestEffort' || isTolerated(pod.spec.tolerations, memoryTaint)))
    return undefined;
  const conditions = [memory ? 'MemoryPressure' : '', disk ? 'DiskPressure' : '', pid ? 'PIDPressure' : ''];
  const message = `Pod was rejected: The node had condition: [${conditions.filter(Boolean).join(' ')}]. `;
  return { reason: 'Evicted', message };
}

const annotationPrefix = 'container.apparmor.security.beta.kubernetes.io/';

function wantsAppArmor({ metadata, spec }: Pod): boolean {
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  const types = [spec, ...containers].map(x => x.securityContext?.appArmorProfile?.type);
  const annotated = Object.entries(metadata.annotations ?? {}).filter(([key]) => key.startsWith(annotationPrefix));
  const isProfile = (type: string | undefined) => type !== undefined && type !== 'Unconfined';
  return types.some(isProfile) || annotated.some(([, value]) => value !== '' && value !== 'unconfined');
}

const anyAddress = (ip: string) => ip === '' || ip === '0.0.0.0' || ip === '::';

function portConflict(pod: Pod, others: readonly Pod[]): boolean {
  const mine = hostPortsOf(pod);
  if (!mine.length) return false;
  return others
    .flatMap(hostPortsOf)
    .some(o =>
      mine.some(
        m => m.port === o.port && m.protocol === o.protocol && (m.ip === o.ip || anyAddress(m.ip) || anyAddress(o.ip)),
      ),
    );
}

function hostPortsOf(pod: Pod) {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)].flatMap(c =>
    (c.ports ?? [])
      .filter(p => p.hostPort)
      .map(p => ({ port: p.hostPort, protocol: p.protocol ?? 'TCP', ip: p.hostIP ?? '' })),
  );
}

/** Why the node cannot give a running pod what it asks now; undefined when it can. */
export function resizeProblemOf(input: AdmissionInput): ResizeProblem | undefined {
  const { pod, allocatable } = input;
  for (const name of ['cpu', 'memory'] as const) {
    const requested = podTotal(pod.spec, 'requests', name);
    const capacity = name === 'cpu' ? milliOf(allocatable.cpu) : bytesOf(allocatable.memory);
    if (capacity > 0 && requested > capacity)
      return {
        reason: 'Infeasible',
        message: `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`,
      };
  }
  const short = outOf(input);
  return short && { reason: 'Deferred', message: short.message.replace(/^Pod was rejected: /, '') };
}

export interface Shortage {
  readonly name: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
  /** So much has to go for the pod to have room. */
  readonly lacking: number;
}

/** The resources that the node has not enough of. */
export function* shortagesOf(input: AdmissionInput): Generator<Shortage, undefined> {
  const { pod, others, allocatable } = input;
  const maxPods = Number(allocatable.pods ?? 0);
  if (maxPods && others.length + 1 > maxPods) yield shortage('pods', 1, others.length, maxPods);
  for (const name of ['cpu', 'memory', 'ephemeral-storage', ...countedResources(pod)]) {
    const requested = podTotal(pod.spec, 'requests', name);
    const used = others.reduce((sum, p) => sum + podTotal(p.spec, 'requests', name), 0);
    const capacity = capacityFor(input, name);
    if (requested > 0 && capacity !== undefined && requested + used > capacity)
      yield shortage(name, requested, used, capacity);
  }
  return undefined;
}

/** Undefined: the node does not know, or the resource is the cluster's and no node's. */
function capacityFor({ allocatable, node, heldDevices }: AdmissionInput, name: string): number | undefined {
  if (name === 'cpu') return milliOf(allocatable.cpu) || undefined;
  if (!isExtendedResource(name)) return bytesOf(allocatable[name]) || (isHugePages(name) ? 0 : undefined);
  const known = node?.status?.allocatable?.[name];
  const held = heldDevices?.[name];
  return known === undefined && held === undefined ? undefined : Math.max(bytesOf(known), held ?? 0);
}

/** Resources that not every node has. Sorted. */
function countedResources({ spec }: Pod): readonly string[] {
  const names = new Set(
    [...spec.containers, ...(spec.initContainers ?? [])].flatMap(c => [
      ...Object.keys(c.resources?.requests ?? {}),
      ...Object.keys(c.resources?.limits ?? {}),
    ]),
  );
  return [...names].filter(n => isExtendedResource(n) || isHugePages(n)).sort();
}

const shortage = (name: string, requested: number, used: number, capacity: number): Shortage => ({
  ...{ name, requested, used, capacity },
  lacking: requested + used - capacity,
});

function outOf(input: AdmissionInput): Rejection | undefined {
  const short = shortagesOf(input).next().value;
  return (
    short && {
      reason: `OutOf${short.name}`,
      message: `Pod was rejected: Node didn't have enough resource: ${short.name}, requested: ${short.requested}, used: ${short.used}, capacity: ${short.capacity}`,
    }
  );
}
