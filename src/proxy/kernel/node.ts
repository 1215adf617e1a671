// What of the node the rules depend on. Pure.
import type { Node } from '../../api/type/core-v1.ts';
import { isInRange } from './address.ts';
import type { NodePlace } from './endpoint.ts';

const zoneLabel = 'topology.kubernetes.io/zone';
const goingTaint = 'ToBeDeletedByClusterAutoscaler';

export const nodePlace = (nodeName: string, node: Node | undefined): NodePlace => ({
  nodeName,
  zone: node?.metadata.labels?.[zoneLabel] || undefined,
});

/** False for a node that is about to go: load balancers should choose others. */
export function isEligible(node: Node | undefined): boolean {
  if (!node) return true;
  return !node.metadata.deletionTimestamp && !node.spec?.taints?.some(t => t.key === goingTaint);
}

/** Addresses that accept node ports: the first of each family, or those in the ranges. Never loopback. */
export function nodePortAddresses(addresses: readonly string[], wanted: readonly string[]): string[] {
  const usable = addresses.filter(a => !a.startsWith('127.') && a !== '::1');
  if (wanted.includes('primary')) return [false, true].flatMap(v6 => usable.find(a => a.includes(':') === v6) ?? []);
  return usable.filter(a => wanted.some(range => isInRange(a, range)));
}
