// What is written into a claim's status of the devices found for it.
import type { NodeSelector, NodeSelectorRequirement } from '../../../api/type/core-v1.ts';
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  ResourceClaim,
} from '../../../api/type/resource-v1.ts';
import type { Pick } from './allocator.ts';

export interface AllocationContext {
  readonly node: string;
  /** RFC 3339. */
  readonly now: string;
  readonly shareId: () => string;
}

export function allocationOf(
  spec: ResourceClaim['spec'],
  picks: readonly Pick[],
  context: AllocationContext,
): AllocationResult {
  const config = configOf(spec, picks);
  const nodeSelector = nodeSelectorOf(picks, context.node);
  return {
    devices: { results: picks.map(p => resultOf(p, context)), ...(config.length ? { config } : {}) },
    ...(nodeSelector ? { nodeSelector } : {}),
    allocationTimestamp: context.now,
  };
}

function resultOf({ ask, entry, consumed }: Pick, { shareId }: AllocationContext): DeviceRequestAllocationResult {
  const { device, pool } = entry;
  const { bindingConditions, bindingFailureConditions } = device;
  return {
    request: ask.name,
    driver: pool.driver,
    pool: pool.name,
    device: device.name,
    ...(ask.admin ? { adminAccess: true } : {}),
    ...(ask.tolerations?.length ? { tolerations: ask.tolerations } : {}),
    ...(bindingConditions?.length ? { bindingConditions } : {}),
    ...(bindingFailureConditions?.length ? { bindingFailureConditions } : {}),
    ...(consumed ? { shareID: shareId(), consumedCapacity: textOf(consumed) } : {}),
  };
}

const textOf = (amounts: NonNullable<Pick['consumed']>): Record<string, string> =>
  Object.fromEntries([...amounts].map(([name, amount]) => [name, amount.toString()]));

/** Of each class first, so that the claim's own can override it. */
function configOf({ devices }: ResourceClaim['spec'], picks: readonly Pick[]): DeviceAllocationConfiguration[] {
  const out: DeviceAllocationConfiguration[] = [];
  const asks = new Set(picks.map(p => p.ask));
  for (const { name, deviceClass } of asks)
    for (const { opaque } of deviceClass.spec.config ?? [])
      out.push({ source: 'FromClass', requests: [name], ...(opaque ? { opaque } : {}) });
  const names = new Set([...asks].flatMap(a => [a.name, a.request]));
  for (const { requests, opaque } of devices?.config ?? []) {
    // It may be for alternatives that were not taken.
    if (requests?.length && !requests.some(r => names.has(r))) continue;
    out.push({ source: 'FromClaim', ...(requests?.length ? { requests } : {}), ...(opaque ? { opaque } : {}) });
  }
  return out;
}

const onlyOn = (node: string): NodeSelector => ({
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
});

/** Where all of the devices are to be had; undefined: everywhere. */
function nodeSelectorOf(picks: readonly Pick[], node: string): NodeSelector | undefined {
  const matchExpressions: NodeSelectorRequirement[] = [];
  const matchFields: NodeSelectorRequirement[] = [];
  for (const { entry } of picks) {
    const place = entry.slice.spec.perDeviceNodeSelection ? entry.device : entry.slice.spec;
    if (place.nodeName || entry.device.bindsToNode) return onlyOn(node);
    for (const term of place.nodeSelector?.nodeSelectorTerms ?? []) {
      addNew(matchExpressions, term.matchExpressions);
      addNew(matchFields, term.matchFields);
    }
  }
  if (matchExpressions.length + matchFields.length === 0) return undefined;
  return {
    nodeSelectorTerms: [
      { ...(matchExpressions.length ? { matchExpressions } : {}), ...(matchFields.length ? { matchFields } : {}) },
    ],
  };
}

function addNew(to: NodeSelectorRequirement[], more: readonly NodeSelectorRequirement[] = []): void {
  const known = new Set(to.map(r => JSON.stringify(r)));
  for (const r of more) if (!known.has(JSON.stringify(r))) to.push(r);
}
