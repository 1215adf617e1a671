// Which routes lead to the other nodes' pods. Pure.
import type { Node } from '../../api/type/core-v1.ts';
import { isSimulated } from '../simulation/simulated-mark.ts';

/** Our mark on routes (`ip route … proto`), so that nobody else's are touched. */
export const routeProtocol = 107;

/** Pod range to the address of the node that has it. */
export type Routes = ReadonlyMap<string, string>;

const internalIp = (node: Node, family: 4 | 6): string | undefined =>
  node.status?.addresses?.find(a => a.type === 'InternalIP' && a.address.includes(':') === (family === 6))?.address;

/** A node without a range or without an address of the range's family has no route yet. */
export function planRoutes(nodes: readonly Node[], ownName: string): Routes {
  const routes = new Map<string, string>();
  for (const node of nodes) {
    if (node.metadata.name === ownName || isSimulated(node)) continue;
    const ranges = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
    for (const range of ranges) {
      const via = internalIp(node, range.includes(':') ? 6 : 4);
      if (via) routes.set(range, via);
    }
  }
  return routes;
}

/** Lines for `ip -batch` that turn `have` into `want`. */
export function routeChanges(have: Routes, want: Routes, link: string): string[] {
  const lines: string[] = [];
  for (const range of have.keys()) if (!want.has(range)) lines.push(`route del ${range} proto ${routeProtocol}`);
  for (const [range, via] of want)
    if (have.get(range) !== via) lines.push(`route replace ${range} via ${via} dev ${link} proto ${routeProtocol}`);
  return lines;
}

export interface RouteList {
  readonly ours: Routes;
  /** Ranges that somebody else has set a route to, as a pod network of its own does. */
  readonly others: ReadonlySet<string>;
}

/** What `ip -json route show` prints, of each family. Routes the kernel made for links are nobody's. */
export function parseRouteList(shown: readonly string[]): RouteList {
  type Shown = readonly { readonly dst?: string; readonly gateway?: string; readonly protocol?: string }[];
  const list = shown.flatMap((json): Shown => (json.trim() ? JSON.parse(json) : []));
  const ours = new Map<string, string>();
  const others = new Set<string>();
  for (const { dst, gateway, protocol } of list) {
    if (!dst) continue;
    if (protocol !== String(routeProtocol)) {
      if (protocol !== 'kernel') others.add(dst);
    } else if (gateway) ours.set(dst, gateway);
  }
  return { ours, others };
}

export const masqueradeTable = ['ip', 'k8ts_node'] as const;

/** The table that gives pods the node's address towards everything outside the cluster. */
export function masqueradeRules(podCidr: string, nodeCidr: string | undefined): string {
  const inside = [podCidr, ...(nodeCidr ? [nodeCidr] : [])].join(', ');
  const table = `table ${masqueradeTable.join(' ')}`;
  return [
    table,
    `delete ${table}`,
    `${table} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    ip saddr ${podCidr} ip daddr != { ${inside} } fib daddr type != { local, multicast } masquerade`,
    '  }',
    '}',
    '',
  ].join('\n');
}
