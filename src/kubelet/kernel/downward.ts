// The downward API: pod fields and container resources as text.
import type { Container, Pod, PodSpec, ResourceFieldSelector } from '../../api/type/core-v1.ts';
import { quote } from '../../base/quote.ts';
import { bytesOf, milliOf, numberOf } from './amount.ts';

/** `key="value"` lines, sorted. */
export function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map(k => `${k}=${quote(map![k]!)}`)
    .join('\n');
}

export interface NodeFields {
  readonly hostIps: readonly string[];
  readonly podIps: readonly string[];
}

/** The value of a fieldRef. Throws Kubernetes' error for a path it does not know. */
export function fieldValue(pod: Pod, path: string, node: NodeFields): string {
  const subscript = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/.exec(path);
  if (subscript) {
    const map = subscript[1] === 'metadata.labels' ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[subscript[2]!] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return node.hostIps[0] ?? '';
    case 'status.hostIPs':
      return node.hostIps.join(',');
    case 'status.podIP':
      return node.podIps[0] ?? '';
    case 'status.podIPs':
      return node.podIps.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

type Allocatable = Readonly<Record<string, string>>;

/**
 * The value of a resourceFieldRef, rounded up to its divisor. A container's limit that is not set means the pod's,
 * and without one what the node can allocate.
 */
export function resourceValue(
  selector: ResourceFieldSelector,
  spec: PodSpec,
  container: Container,
  allocatable: Allocatable,
): string {
  const { resource } = selector;
  const dot = resource.indexOf('.');
  const kind = resource.slice(0, dot);
  const name = resource.slice(dot + 1);
  if ((kind !== 'limits' && kind !== 'requests') || !/^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name))
    throw new Error(`unsupported container resource : ${resource}`);
  const amount = effective(spec, container, kind, name, allocatable);
  if (name === 'cpu') {
    const divisor = milliOf(selector.divisor) || 1000;
    return String(Math.ceil(milliOf(amount) / divisor));
  }
  const divisor = numberOf(selector.divisor) || 1;
  return String(Math.ceil(bytesOf(amount) / divisor));
}

function effective(
  spec: PodSpec,
  container: Container,
  kind: 'limits' | 'requests',
  name: string,
  allocatable: Allocatable,
): string | undefined {
  const r = container.resources;
  if (kind === 'requests') return r?.requests?.[name] ?? r?.limits?.[name];
  // Huge pages are never overcommitted: a container without a limit has none.
  if (name.startsWith('hugepages-')) return r?.limits?.[name];
  return [r?.limits, spec.resources?.limits].map(l => l?.[name]).find(l => numberOf(l)) ?? allocatable[name];
}
