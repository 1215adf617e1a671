// What of the node the rules depend on. Pure.
import type { Node } from '../../api/type/core-v1.ts';
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
  return usable.filter(a => wanted.some(range => inRange(a, range)));
}

function inRange(address: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/');
  if (address.includes(':') !== network.includes(':')) return false;
  const [a, b] = [toBits(address), toBits(network)];
  const length = Number(bits || a.length);
  return a.slice(0, length) === b.slice(0, length);
}

function toBits(address: string): string {
  if (!address.includes(':'))
    return address
      .split('.')
      .map(p => Number(p).toString(2).padStart(8, '0'))
      .join('');
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string) => (text ? text.split(':') : []);
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...zeros, ...after].map(g => Number.parseInt(g, 16).toString(2).padStart(16, '0')).join('');
}
