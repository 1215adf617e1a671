// Rows of nodes and what runs beside them.

import type { Lease } from '../../api/type/coordination-v1.ts';
import type { ComponentStatus, Namespace, Node } from '../../api/type/core-v1.ts';
import type { RuntimeClass } from '../../api/type/node-v1.ts';
import { ageOf } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import { conditionOf, none, sortedUnique, unknown } from './text.ts';

const rolePrefix = 'node-role.kubernetes.io/';

export function nodeRoles(node: Node): string {
  const roles: string[] = [];
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.push(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value) roles.push(value);
  }
  return sortedUnique(roles).join(',') || none;
}

export function nodeStatus({ spec, status }: Node): string {
  const ready = conditionOf(status?.conditions, 'Ready');
  const word = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

const addressOf = (node: Node, type: string): string =>
  node.status?.addresses?.find(a => a.type === type)?.address ?? none;

function kernelText({ status }: Node): string {
  const { kernelVersion = '', architecture = '' } = status?.nodeInfo ?? {};
  if (!kernelVersion) return unknown;
  return architecture ? `${kernelVersion} (${architecture})` : kernelVersion;
}

function componentStatus({ conditions }: ComponentStatus): [status: string, message: string, error: string] {
  const healthy = conditions?.find(c => c.type === 'Healthy');
  const word = healthy?.status === 'True' ? 'Healthy' : healthy?.status === 'False' ? 'Unhealthy' : 'Unknown';
  return [word, healthy?.message ?? '', healthy?.error ?? ''];
}

export const nodeCells: CellsByKind = {
  Node: (node: Node, now) => [
    node.metadata.name,
    nodeStatus(node),
    nodeRoles(node),
    ageOf(node.metadata.creationTimestamp, now),
    node.status?.nodeInfo?.kubeletVersion ?? '',
    addressOf(node, 'InternalIP'),
    addressOf(node, 'ExternalIP'),
    node.status?.nodeInfo?.osImage || unknown,
    kernelText(node),
    node.status?.nodeInfo?.containerRuntimeVersion || unknown,
  ],
  Namespace: ({ metadata, status }: Namespace, now) => [
    metadata.name,
    status?.phase ?? '',
    ageOf(metadata.creationTimestamp, now),
  ],
  ComponentStatus: (component: ComponentStatus) => [component.metadata.name, ...componentStatus(component)],
  Lease: ({ metadata, spec }: Lease, now) => [
    metadata.name,
    spec?.holderIdentity ?? '',
    ageOf(metadata.creationTimestamp, now),
  ],
  LeaseCandidate: ({ metadata, spec }, now) => [
    metadata.name,
    spec?.leaseName ?? '',
    spec?.binaryVersion ?? '',
    spec?.emulationVersion ?? '',
    ageOf(metadata.creationTimestamp, now),
  ],
  RuntimeClass: ({ metadata, handler }: RuntimeClass, now) => [
    metadata.name,
    handler,
    ageOf(metadata.creationTimestamp, now),
  ],
};
