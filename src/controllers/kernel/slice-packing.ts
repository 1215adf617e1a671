// Which endpoints go into which slice, changing as few slices as possible.
import { semanticEqual } from '../../api/rule/record.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/type/discovery-v1.ts';

/** A slice to write; without a name it is to be created. */
export type SliceDraft = Pick<EndpointSlice, 'addressType' | 'ports'> & {
  readonly metadata: EndpointSlice['metadata'];
  endpoints: Endpoint[];
};

export interface SlicePlan {
  readonly create: SliceDraft[];
  readonly update: SliceDraft[];
  readonly delete: EndpointSlice[];
  /** Left as they are. */
  readonly unchanged: EndpointSlice[];
}

export interface PackingOptions {
  /** Slices of these very ports and this address type. */
  readonly existing: readonly EndpointSlice[];
  /** What is wanted, each once. */
  readonly endpoints: readonly Endpoint[];
  readonly maxPerSlice: number;
  /** Metadata for an existing slice; the slice's own, the same object, when nothing is to change about it. */
  metadataOf(slice: EndpointSlice): EndpointSlice['metadata'];
  /** An empty slice to create. */
  make(): SliceDraft;
}

/** Tells endpoints apart: address, host name and what is behind it. */
export function endpointKey({ addresses, hostname = '', targetRef }: Endpoint): string {
  return [addresses.toSorted().join(), hostname, targetRef?.namespace ?? '', targetRef?.name ?? ''].join('\0');
}

/** Equal in all but hints, which are decided later. */
function sameState(a: Endpoint, b: Endpoint): boolean {
  return (
    a.nodeName === b.nodeName &&
    a.zone === b.zone &&
    a.conditions?.ready === b.conditions?.ready &&
    a.conditions?.serving === b.conditions?.serving &&
    a.conditions?.terminating === b.conditions?.terminating &&
    a.targetRef?.uid === b.targetRef?.uid &&
    a.targetRef?.kind === b.targetRef?.kind
  );
}

/** The same for the same set of ports in any order. */
export function portsKey(ports: readonly EndpointPort[] | undefined): string {
  return (ports ?? [])
    .map(p => [p.name ?? '', p.protocol ?? 'TCP', p.port ?? '', p.appProtocol ?? ''].join('/'))
    .sort()
    .join();
}

/**
 * Endpoints stay where they are. New ones fill slices that change anyway; what is left over goes, together, into the
 * one slice that it fills best, else into new slices.
 */
export function packEndpoints(options: PackingOptions): SlicePlan {
  const { maxPerSlice, make } = options;
  const missing = new Map(options.endpoints.map(e => [endpointKey(e), e]));
  const plan: SlicePlan = { create: [], update: [], delete: [], unchanged: [] };
  for (const slice of options.existing) keepWanted(slice, missing, options.metadataOf(slice), plan);
  for (const draft of plan.update.toSorted((a, b) => b.endpoints.length - a.endpoints.length))
    fill(draft, missing, maxPerSlice);
  while (missing.size > 0) {
    const room = missing.size < maxPerSlice ? bestRoom(plan.unchanged, missing.size, maxPerSlice) : undefined;
    if (room) {
      plan.unchanged.splice(plan.unchanged.indexOf(room), 1);
      const draft = draftOf(room, room.metadata, [...(room.endpoints ?? [])]);
      fill(draft, missing, maxPerSlice);
      plan.update.push(draft);
    } else {
      const draft = make();
      fill(draft, missing, maxPerSlice);
      plan.create.push(draft);
    }
  }
  return plan;
}

/** Takes out of `missing` what the slice holds already. */
function keepWanted(
  slice: EndpointSlice,
  missing: Map<string, Endpoint>,
  metadata: EndpointSlice['metadata'],
  plan: SlicePlan,
): void {
  const kept: Endpoint[] = [];
  const before = slice.endpoints ?? [];
  let changed = false;
  for (const endpoint of before) {
    const key = endpointKey(endpoint);
    const wanted = missing.get(key);
    if (!wanted) continue;
    missing.delete(key);
    const same = sameState(wanted, endpoint);
    if (!same) changed = true;
    // Hints stay until they are decided anew.
    kept.push(same ? endpoint : endpoint.hints ? { ...wanted, hints: endpoint.hints } : wanted);
  }
  if (kept.length === 0 && before.length > 0) plan.delete.push(slice);
  else if (changed || kept.length !== before.length || metadata !== slice.metadata)
    plan.update.push(draftOf(slice, metadata, kept));
  else plan.unchanged.push(slice);
}

export function draftOf(slice: EndpointSlice, metadata: EndpointSlice['metadata'], endpoints: Endpoint[]): SliceDraft {
  const { addressType, ports } = slice;
  return { metadata, addressType, endpoints, ...(ports ? { ports } : {}) };
}

function fill(draft: SliceDraft, missing: Map<string, Endpoint>, max: number): void {
  for (const [key, endpoint] of missing) {
    if (draft.endpoints.length >= max) return;
    draft.endpoints.push(endpoint);
    missing.delete(key);
  }
}

/** The slice that is fullest once `count` more are in it. */
function bestRoom(slices: readonly EndpointSlice[], count: number, max: number): EndpointSlice | undefined {
  let best: EndpointSlice | undefined;
  let bestLeft = max;
  for (const slice of slices) {
    const left = max - count - (slice.endpoints?.length ?? 0);
    if (left >= 0 && left < bestLeft) {
      best = slice;
      bestLeft = left;
    }
  }
  return best;
}

/** Slices that would be deleted become those that would be created: one write less, and no gap for readers. */
export function reuseDeleted(plan: SlicePlan, mayReuse: (slice: EndpointSlice) => boolean): void {
  for (let i = 0; i < plan.delete.length && plan.create.length > 0; ) {
    const slice = plan.delete[i]!;
    const wanted = plan.create.at(-1)!;
    if (slice.addressType !== wanted.addressType || !mayReuse(slice)) {
      i++;
      continue;
    }
    plan.create.pop();
    plan.delete.splice(i, 1);
    const { name, uid, resourceVersion } = slice.metadata;
    const { generateName: _, ...metadata } = wanted.metadata;
    plan.update.push({ ...wanted, metadata: { ...metadata, name, uid, resourceVersion: resourceVersion! } });
  }
}

/** The only slice there is, and as the placeholder would be: empty, with the same labels. */
export const isPlaceholder = (slice: EndpointSlice, wanted: SliceDraft): boolean =>
  slice.addressType === wanted.addressType &&
  semanticEqual(slice.metadata.labels, wanted.metadata.labels) &&
  !slice.endpoints?.length &&
  !slice.ports?.length;
