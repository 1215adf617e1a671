// From a service, its pods and the slices there are to the slices to write.
import { semanticEqual } from '../../../api/rule/record.ts';
import type { Node, Pod, Service } from '../../../api/type/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/type/discovery-v1.ts';
import { type IpFamily, isEndpoint } from '../../kernel/service-pod.ts';
import {
  endpointKey,
  isPlaceholder,
  packEndpoints,
  portsKey,
  reuseDeleted,
  type SliceDraft,
  type SlicePlan,
} from '../../kernel/slice-packing.ts';
import { hasHints, hintByDistribution } from './hint.ts';
import { endpointOf, familiesOf, labelsFor, portsOf } from './pod-endpoint.ts';
import { addTopologyHints, wantsTopologyHints } from './topology-hints.ts';
import type { ZoneShares } from './zone-share.ts';

export interface SliceInput {
  readonly service: Service;
  /** All that the selector chooses. */
  readonly pods: readonly Pod[];
  /** Managed slices of the service that are not being deleted. */
  readonly slices: readonly EndpointSlice[];
  nodeOf(name: string): Node | undefined;
  zones(): ZoneShares;
  readonly maxPerSlice: number;
}

export interface HintEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'TopologyAwareHintsEnabled' | 'TopologyAwareHintsDisabled';
  readonly message: string;
}

export interface SliceOutput {
  readonly plan: SlicePlan;
  readonly events: readonly HintEvent[];
  /** Pods left out, or shown without a zone, for want of their node. */
  readonly nodeMissing: readonly Pod[];
}

export const isOwnedBy = (slice: EndpointSlice, service: Service): boolean =>
  !!slice.metadata.ownerReferences?.some(
    o => o.uid === service.metadata.uid && o.kind === 'Service' && o.apiVersion === 'v1',
  );

export function planSlices(input: SliceInput): SliceOutput {
  const { service, slices } = input;
  const families: readonly string[] = familiesOf(service);
  const plan: SlicePlan = { create: [], update: [], delete: [], unchanged: [] };
  const events: HintEvent[] = [];
  const nodeMissing = new Set<Pod>();
  plan.delete.push(...slices.filter(s => !families.includes(s.addressType)));
  for (const family of familiesOf(service)) {
    const own = slices.filter(s => s.addressType === family);
    const part = planFamily(input, family, own, nodeMissing);
    events.push(...hint(part, input, family, own));
    for (const list of ['create', 'update', 'delete', 'unchanged'] as const)
      plan[list].push(...(part[list] as never[]));
  }
  reuseDeleted(plan, slice => isOwnedBy(slice, service));
  keepEqual(plan, slices);
  return { plan, events, nodeMissing: [...nodeMissing] };
}

/** Hints that are decided anew often come out as they were. */
function keepEqual(plan: SlicePlan, slices: readonly EndpointSlice[]): void {
  for (const draft of plan.update.splice(0)) {
    const slice = slices.find(s => s.metadata.name === draft.metadata.name);
    const same =
      slice &&
      semanticEqual(slice.endpoints, draft.endpoints) &&
      semanticEqual(slice.metadata.labels, draft.metadata.labels) &&
      semanticEqual(slice.ports, draft.ports);
    if (same) plan.unchanged.push(slice);
    else plan.update.push(draft);
  }
}

interface Group {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

function planFamily(
  input: SliceInput,
  family: IpFamily,
  slices: readonly EndpointSlice[],
  nodeMissing: Set<Pod>,
): SlicePlan {
  const { service, maxPerSlice } = input;
  const groups = groupByPorts(input, family, nodeMissing);
  const labels = labelsFor(service);
  const byPorts = Map.groupBy(slices, s => (isOwnedBy(s, service) ? portsKey(s.ports) : 'foreign'));
  const plan: SlicePlan = { create: [], update: [], delete: [], unchanged: [] };
  const metadataOf = ({ metadata }: EndpointSlice) =>
    semanticEqual(metadata.labels, labels) ? metadata : { ...metadata, labels };
  for (const [key, { ports, endpoints }] of groups) {
    const part = packEndpoints({
      existing: byPorts.get(key) ?? [],
      endpoints: [...endpoints.values()],
      maxPerSlice,
      metadataOf,
      make: () => newSlice(service, labels, family, ports),
    });
    byPorts.delete(key);
    for (const list of ['create', 'update', 'delete', 'unchanged'] as const)
      plan[list].push(...(part[list] as never[]));
  }
  for (const rest of byPorts.values()) plan.delete.push(...rest);
  keepPlaceholder(plan, newSlice(service, labels, family, []));
  return plan;
}

/** A service without endpoints keeps one empty slice, so that readers can tell it from one not looked at yet. */
function keepPlaceholder(plan: SlicePlan, placeholder: SliceDraft): void {
  if (plan.create.length + plan.update.length + plan.unchanged.length > 0) return;
  const [only, ...others] = plan.delete;
  if (only && others.length === 0 && isPlaceholder(only, placeholder)) plan.unchanged.push(...plan.delete.splice(0));
  else plan.create.push(placeholder);
}

/** Pods that have the same ports under the same numbers share slices. */
function groupByPorts(input: SliceInput, family: IpFamily, nodeMissing: Set<Pod>): Map<string, Group> {
  const { service, pods, nodeOf } = input;
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    if (!isEndpoint(pod, true)) continue;
    const nodeName = pod.spec?.nodeName;
    const node = nodeName ? nodeOf(nodeName) : undefined;
    if (nodeName && !node) {
      nodeMissing.add(pod);
      if (!service.spec.publishNotReadyAddresses) continue;
    }
    const endpoint = endpointOf(pod, node, service, family);
    if (!endpoint) continue;
    const ports = portsOf(pod, service);
    const group = groups.getOrInsertComputed(portsKey(ports), () => ({ ports, endpoints: new Map() }));
    group.endpoints.set(endpointKey(endpoint), endpoint);
  }
  return groups;
}

function newSlice(
  service: Service,
  labels: Record<string, string>,
  addressType: IpFamily,
  ports: readonly EndpointPort[],
): SliceDraft {
  const { name, namespace, uid } = service.metadata;
  const metadata = {
    generateName: `${name}-`,
    namespace,
    labels: { ...labels },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }],
  };
  return { metadata: metadata as unknown as SliceDraft['metadata'], addressType, endpoints: [], ports };
}

function hint(plan: SlicePlan, input: SliceInput, family: IpFamily, slices: readonly EndpointSlice[]): HintEvent[] {
  const { annotations } = input.service.metadata;
  const text = (message: string) => `${message}, addressType: ${family}`;
  if (!wantsTopologyHints(annotations)) {
    hintByDistribution(plan, input.service.spec.trafficDistribution);
    return [];
  }
  const problem = addTopologyHints(plan, input.zones());
  if (problem !== undefined) return [{ type: 'Warning', reason: 'TopologyAwareHintsDisabled', message: text(problem) }];
  if (slices.some(s => s.endpoints?.some(hasHints))) return [];
  return [
    { type: 'Normal', reason: 'TopologyAwareHintsEnabled', message: text('Topology Aware Hints has been enabled') },
  ];
}
