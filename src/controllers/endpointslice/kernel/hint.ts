// Changing the hints of a plan's slices; slices that were to stay unchanged are then updated too.
import type { Endpoint } from '../../../api/type/discovery-v1.ts';
import { draftOf, type SlicePlan } from '../../kernel/slice-packing.ts';

export const isReady = (endpoint: Endpoint): boolean => endpoint.conditions?.ready !== false;

export const hasHints = (endpoint: Endpoint): boolean => endpoint.hints !== undefined;

/** `endpoint` with these hints, or the same object if it has them. */
export function withHints(endpoint: Endpoint, zone: string | undefined, node?: string): Endpoint {
  const { hints, ...bare } = endpoint;
  if (hintText(endpoint) === `${zone ?? ''}|${node ?? ''}`) return endpoint;
  if (zone === undefined && node === undefined) return bare;
  return {
    ...bare,
    hints: {
      ...(zone === undefined ? {} : { forZones: [{ name: zone }] }),
      ...(node === undefined ? {} : { forNodes: [{ name: node }] }),
    },
  };
}

function hintText({ hints }: Endpoint): string {
  const names = (of: readonly { name: string }[] | undefined) => of?.map(h => h.name).join() ?? '';
  return `${names(hints?.forZones)}|${names(hints?.forNodes)}`;
}

/** Every endpoint of the plan as `hint` gives it. */
export function hintEach(plan: SlicePlan, hint: (endpoint: Endpoint) => Endpoint): void {
  for (const draft of [...plan.create, ...plan.update]) draft.endpoints = draft.endpoints.map(hint);
  for (const slice of plan.unchanged.splice(0)) {
    const before = slice.endpoints ?? [];
    const endpoints = before.map(hint);
    if (endpoints.every((e, i) => e === before[i])) plan.unchanged.push(slice);
    else plan.update.push(draftOf(slice, slice.metadata, endpoints));
  }
}

export const removeHints = (plan: SlicePlan): void => hintEach(plan, e => (e.hints ? withHints(e, undefined) : e));

/** As `spec.trafficDistribution` asks. */
export function hintByDistribution(plan: SlicePlan, distribution: string | undefined): void {
  switch (distribution) {
    case 'PreferClose':
    case 'PreferSameZone':
      hintEach(plan, e => withHints(e, e.zone || undefined));
      break;
    case 'PreferSameNode':
      // Zones too, for proxies that do not know of nodes.
      hintEach(plan, e => withHints(e, e.zone || undefined, e.nodeName || undefined));
      break;
    default:
      removeHints(plan);
  }
}
