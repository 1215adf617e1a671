// The part of the table that does not depend on services. Pure.
//
// NAT chains see the first packet of a connection only. `service-ips` and `service-nodeports` find a service in one
// lookup; the chains they lead to pick an endpoint in another, keyed by the address asked for and a random number, so that
// neither services nor endpoints need chains of their own, and a change is a change of map elements.
import { type Family, tableName, wordsOf } from './rule-set.ts';

export interface BaseConfig {
  readonly family: Family;
  /** Where pods live: what comes from elsewhere to a cluster IP is masqueraded. Empty: nothing is. */
  readonly podCidrs: readonly string[];
  /** Traffic to cluster addresses that nobody has is dropped. */
  readonly serviceCidrs: readonly string[];
  readonly masqueradeAll: boolean;
}

export const masqueradeMark = '0x4000';
const unmask = '0xffffbfff';
/** More endpoints than this a service port cannot have. */
const maxEndpoints = 65_536;
/** Services with up to so many endpoints share chains; those with more have their own. */
export const maxSharedEndpoints = 64;

/** Who comes by which way: what is done besides choosing an endpoint, and where endpoints are found. */
const sharedKinds = {
  cluster: { map: 'endpoints', masquerade: false },
  external: { map: 'endpoints', masquerade: true },
  nodeport: { map: 'nodeport-endpoints', masquerade: true },
} as const;
export type SharedKind = keyof typeof sharedKinds;

export const endpointMapOf = (kind: SharedKind): string => sharedKinds[kind].map;
export const sharedChain = (kind: SharedKind, endpoints: number): string => `${kind}-${endpoints}`;

/** Lines that make the table anew, in the transaction in which the old one goes. */
export function baseScript(config: BaseConfig): string[] {
  const { table, address, type } = wordsOf(config.family);
  const at = `${table} ${tableName}`;
  const chain = (name: string, rules: readonly string[], hook?: string) => [
    `add chain ${at} ${name}${hook ? ` { ${hook} }` : ''}`,
    ...rules.map(rule => `add rule ${at} ${name} ${rule}`),
  ];
  const frontend = `${type} . inet_proto . inet_service`;
  const random = `numgen random mod ${maxEndpoints}`;
  const endpoint = `${address} daddr . th dport`;
  return [
    `add table ${at}`,
    `delete table ${at}`,
    `add table ${at} { comment "rules for services, kept by k8ts"; }`,
    `add set ${at} cluster-ips { type ${type}; comment "cluster IPs in use"; }`,
    `add set ${at} nodeport-ips { type ${type}; comment "addresses that accept node ports"; }`,
    `add set ${at} hairpin-endpoints { type ${type} . ${type}; comment "local endpoints, to themselves"; }`,
    `add map ${at} service-ips { type ${frontend} : verdict; }`,
    `add map ${at} service-nodeports { type inet_proto . inet_service : verdict; }`,
    `add map ${at} no-endpoint-services { type ${frontend} : verdict; }`,
    `add map ${at} no-endpoint-nodeports { type inet_proto . inet_service : verdict; }`,
    `add map ${at} firewall-ips { type ${frontend} : verdict; }`,
    `add map ${at} endpoints { typeof ${address} daddr . meta l4proto . th dport . ${random} : ${endpoint}; }`,
    `add map ${at} nodeport-endpoints { typeof meta l4proto . th dport . ${random} : ${endpoint}; }`,
    ...chain('mark-for-masquerade', [`meta mark set meta mark or ${masqueradeMark}`]),
    ...chain('reject-chain', ['reject']),
    ...sharedChains(config.family).flatMap(([name, rules]) => chain(name, rules)),
    ...chain('services', [
      ...masqueradeRules(config),
      `${address} daddr . meta l4proto . th dport vmap @service-ips`,
      `${address} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports`,
    ]),
    ...chain('masquerading', [
      `meta mark and ${masqueradeMark} != 0 meta mark set meta mark and ${unmask} masquerade fully-random`,
      `ct status dnat ${address} saddr . ${address} daddr @hairpin-endpoints masquerade fully-random`,
    ]),
    ...chain('firewall-check', [`${address} daddr . meta l4proto . th dport vmap @firewall-ips`]),
    ...chain('service-endpoints-check', [`${address} daddr . meta l4proto . th dport vmap @no-endpoint-services`]),
    ...chain('nodeport-endpoints-check', [
      `${address} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports`,
    ]),
    ...chain('cluster-ips-check', [
      `${address} daddr @cluster-ips reject comment "no such port of this service"`,
      ...(config.serviceCidrs.length > 0 ? [`${address} daddr { ${config.serviceCidrs.join(', ')} } drop`] : []),
    ]),
    ...chain('nat-prerouting', ['jump services'], 'type nat hook prerouting priority -100;'),
    ...chain('nat-output', ['jump services'], 'type nat hook output priority -100;'),
    ...chain('nat-postrouting', ['jump masquerading'], 'type nat hook postrouting priority 100;'),
    ...chain('filter-prerouting', ['ct state new jump firewall-check'], 'type filter hook prerouting priority -110;'),
    ...chain(
      'filter-input',
      ['ct state new jump nodeport-endpoints-check', 'ct state new jump service-endpoints-check'],
      'type filter hook input priority -110;',
    ),
    ...chain(
      'filter-forward',
      ['ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check'],
      'type filter hook forward priority -110;',
    ),
    ...chain(
      'filter-output',
      ['ct state new jump service-endpoints-check', 'ct state new jump firewall-check'],
      'type filter hook output priority -110;',
    ),
    ...chain(
      'filter-output-post-dnat',
      ['ct state new jump cluster-ips-check'],
      'type filter hook output priority -90;',
    ),
  ];
}

// All of them at once: nft (1.0.6) can refer to these maps only in the transaction that makes them.
function sharedChains(family: Family): [string, string[]][] {
  const { table, address } = wordsOf(family);
  const chains: [string, string[]][] = [];
  for (const [kind, { map, masquerade }] of Object.entries(sharedKinds)) {
    const asked = `${map === 'endpoints' ? `${address} daddr . ` : ''}meta l4proto . th dport`;
    const pick = (n: number) =>
      `meta l4proto { tcp, udp, sctp } dnat ${table} to ${asked} . numgen random mod ${n} map @${map}`;
    for (let n = 1; n <= maxSharedEndpoints; n++) {
      // The last is for a packet that meets the maps between two generations: the first endpoint is always there.
      const rules = n > 1 ? [pick(n), pick(1)] : [pick(1)];
      chains.push([sharedChain(kind as SharedKind, n), masquerade ? ['jump mark-for-masquerade', ...rules] : rules]);
    }
  }
  return chains;
}

function masqueradeRules({ family, podCidrs, masqueradeAll }: BaseConfig): string[] {
  const { address } = wordsOf(family);
  if (masqueradeAll) return [`${address} daddr @cluster-ips jump mark-for-masquerade`];
  if (podCidrs.length === 0) return [];
  return [`${address} daddr @cluster-ips ${address} saddr != { ${podCidrs.join(', ')} } jump mark-for-masquerade`];
}
