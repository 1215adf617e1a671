// What a lab consists of: names, addresses and the commands that make it. Pure.
//
// The bridge lives in a network namespace of its own (the switch), the nodes in theirs: the machine's own links, rules
// and routes stay untouched. Only `egress` adds a link and one table to the machine's namespace.

export interface LabRequest {
  readonly cluster: string;
  readonly nodes: number;
  /** Node network, `10.8.3.0/24`. */
  readonly nodeCidr: string;
  readonly egress: boolean;
}

export interface LabNode {
  readonly name: string;
  /** Network namespace below /run/netns. */
  readonly namespace: string;
  readonly address: string;
}

export interface LabPlan {
  readonly nodes: readonly LabNode[];
  readonly switchNamespace: string;
  /** Lines for `ip -batch` in the machine's namespace. */
  readonly create: readonly string[];
  /** Lines for `ip -n NAMESPACE -batch`. */
  readonly configure: readonly { readonly namespace: string; readonly lines: readonly string[] }[];
  readonly egress?: EgressPlan;
}

export interface EgressPlan {
  readonly link: string;
  readonly table: string;
  /** Lines for `ip -batch` in the machine's namespace, after `configure`. */
  readonly lines: readonly string[];
  /** Text for `nft -f -`; replaces the table when there is one. */
  readonly rules: string;
}

export const maxLabNodes = 200;
const firstNodeHost = 10;
const gatewayHost = 1;

export const nodeNameOf = (index: number): string => `node-${index + 1}`;
export const switchNamespaceOf = (cluster: string): string => `k8ts-${cluster}-switch`;
export const nodeNamespaceOf = (cluster: string, node: string): string => `k8ts-${cluster}-${node}`;

/** True for a namespace that belongs to the cluster, however many nodes it has or had. */
export function isLabNamespace(cluster: string, namespace: string): boolean {
  const prefix = `k8ts-${cluster}-`;
  return namespace.startsWith(prefix) && /^(switch|node-\d+)$/.test(namespace.slice(prefix.length));
}

/** FNV-1a, eight hexadecimal digits: link and table names have no room for a cluster's name. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

/** In the machine's namespace; 15 bytes at most. */
export const egressLinkOf = (cluster: string): string => `k8ts-${shortHash(cluster)}`;
export const egressTableOf = (cluster: string): string => `k8ts_egress_${shortHash(cluster)}`;

export function planLab(request: LabRequest): LabPlan {
  const { cluster, nodes: count, nodeCidr, egress } = request;
  if (!Number.isInteger(count) || count < 1 || count > maxLabNodes)
    throw new RangeError(`planning a lab: ${count} nodes, must be between 1 and ${maxLabNodes}`);
  const switchNamespace = switchNamespaceOf(cluster);
  const nodes = Array.from({ length: count }, (_, i): LabNode => {
    const name = nodeNameOf(i);
    return { name, namespace: nodeNamespaceOf(cluster, name), address: hostAddress(nodeCidr, firstNodeHost + i) };
  });
  const bits = nodeCidr.split('/')[1];
  const gateway = hostAddress(nodeCidr, gatewayHost);
  const create = [
    `netns add ${switchNamespace}`,
    ...nodes.map(n => `netns add ${n.namespace}`),
    ...nodes.map(n => `link add eth0 netns ${n.namespace} type veth peer name ${n.name} netns ${switchNamespace}`),
  ];
  const configure = [
    {
      namespace: switchNamespace,
      lines: [
        'link add nodes type bridge stp_state 0 mcast_snooping 0',
        'link set nodes up',
        ...nodes.map(n => `link set ${n.name} master nodes up`),
      ],
    },
    ...nodes.map(n => ({
      namespace: n.namespace,
      lines: [
        'link set lo up',
        `addr add ${n.address}/${bits} dev eth0`,
        'link set eth0 up',
        ...(egress ? [`route add default via ${gateway} dev eth0`] : []),
      ],
    })),
  ];
  const plan = { nodes, switchNamespace, create, configure };
  return egress ? { ...plan, egress: planEgress(cluster, nodeCidr, switchNamespace, gateway) } : plan;
}

function planEgress(cluster: string, nodeCidr: string, switchNamespace: string, gateway: string): EgressPlan {
  const link = egressLinkOf(cluster);
  const table = egressTableOf(cluster);
  return {
    link,
    table,
    lines: [
      `link add ${link} type veth peer name egress netns ${switchNamespace}`,
      `addr add ${gateway}/${nodeCidr.split('/')[1]} dev ${link}`,
      `link set ${link} up`,
    ],
    rules: [
      `table ip ${table}`,
      `delete table ip ${table}`,
      `table ip ${table} {`,
      `  comment "k8ts cluster ${cluster}"`,
      '  chain postrouting {',
      '    type nat hook postrouting priority srcnat; policy accept;',
      `    ip saddr ${nodeCidr} oifname != "${link}" masquerade`,
      '  }',
      // The machine forwards now: nobody but it shall reach the nodes that way.
      '  chain forward {',
      '    type filter hook forward priority filter; policy accept;',
      `    oifname "${link}" ct state established,related accept`,
      `    oifname "${link}" drop`,
      '  }',
      '}',
      '',
    ].join('\n'),
  };
}

/** After `egress` links exist: the switch's end joins the bridge. */
export const egressSwitchLines: readonly string[] = ['link set egress master nodes', 'link set egress up'];

const toNumber = (address: string): number => address.split('.').reduce((n, part) => n * 256 + Number(part), 0);
const toAddress = (n: number): string => [24, 16, 8, 0].map(shift => (n >>> shift) & 255).join('.');

/** First address and number of addresses of an IPv4 CIDR. */
export function rangeOf(cidr: string): { first: number; size: number } {
  const [address = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  return { first: Math.floor(toNumber(address) / size) * size, size };
}

export function hostAddress(cidr: string, host: number): string {
  const { first, size } = rangeOf(cidr);
  if (host >= size - 1) throw new RangeError(`planning a lab: ${cidr} has no address for host ${host}`);
  return toAddress(first + host);
}

export function cidrsOverlap(a: string, b: string): boolean {
  const [x, y] = [rangeOf(a), rangeOf(b)];
  return x.first < y.first + y.size && y.first < x.first + x.size;
}

/** Each cluster's nodes are in a /24 of it. */
export const nodeNetworks = '10.8.0.0/16';

/** A /24 in 10.8.0.0/16 that overlaps with none of `taken`; the same one for the same cluster when it is free. */
export function chooseNodeCidr(cluster: string, taken: readonly string[]): string | undefined {
  const preferred = Number.parseInt(shortHash(cluster), 16) % 256;
  for (let i = 0; i < 256; i++) {
    const cidr = `10.8.${(preferred + i) % 256}.0/24`;
    if (!taken.some(t => cidrsOverlap(cidr, t))) return cidr;
  }
  return undefined;
}
