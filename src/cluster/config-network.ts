// The networks of a configuration: what their fields may say, and whether they fit together.
import type { FieldPath } from '../api/field-error.ts';
import { isCidr } from '../api/name-rule.ts';
import type { Reader } from './config-reader.ts';
import { cidrsOverlap, nodeNetworks } from './lab/kernel/lab-plan.ts';

export interface NetworkConfig {
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly clusterDomain: string;
}

export function readNetwork(reader: Reader, value: unknown, at: FieldPath): Partial<NetworkConfig> {
  const network = reader.map(value, at, ['podCIDR', 'serviceCIDR', 'clusterDomain']);
  const podCidr = readCidr(reader, network.podCIDR, at.child('podCIDR'), 22);
  const serviceCidr = readCidr(reader, network.serviceCIDR, at.child('serviceCIDR'), 24);
  const domain = reader.typed<string>(network.clusterDomain, at.child('clusterDomain'), 'string');
  if (domain !== undefined && !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(domain))
    reader.errors.invalid(at.child('clusterDomain'), domain, 'must be a DNS name');
  return {
    ...(podCidr === undefined ? {} : { podCidr }),
    ...(serviceCidr === undefined ? {} : { serviceCidr }),
    ...(domain === undefined ? {} : { clusterDomain: domain }),
  };
}

// Loopback, this network, multicast and above: no pod or service can be reached there.
const unusable = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'];

function readCidr(reader: Reader, value: unknown, at: FieldPath, longestPrefix: number): string | undefined {
  const cidr = reader.typed<string>(value, at, 'string');
  if (cidr === undefined) return undefined;
  const bits = Number(/^[\d.]+\/(\d+)$/.exec(cidr)?.[1]);
  const form = `must be an IPv4 CIDR of prefix length 8 to ${longestPrefix}, (e.g. 10.9.8.0/${longestPrefix})`;
  const wrong = bits >= 8 && bits <= longestPrefix ? isCidr(cidr) : [form];
  for (const why of wrong) reader.errors.invalid(at, cidr, why);
  if (wrong.length) return undefined;
  const bad = unusable.find(range => cidrsOverlap(cidr, range));
  if (!bad) return cidr;
  reader.errors.invalid(at, cidr, `must not overlap with ${bad}`);
  return undefined;
}

const rangePrefix = 24;

/** Why the networks cannot be those of so many nodes; undefined when they can. */
export function badNetworks(config: NetworkConfig & { nodes: number; simulate: boolean }): string | undefined {
  const { podCidr, serviceCidr } = config;
  if (cidrsOverlap(podCidr, serviceCidr)) return `podCIDR ${podCidr} overlaps with serviceCIDR ${serviceCidr}`;
  for (const [field, cidr] of [
    ['podCIDR', podCidr],
    ['serviceCIDR', serviceCidr],
  ] as const)
    if (!config.simulate && cidrsOverlap(cidr, nodeNetworks))
      return `${field} ${cidr} overlaps with ${nodeNetworks}, where the nodes are`;
  const room = 2 ** (rangePrefix - Number(podCidr.split('/')[1]));
  if (config.nodes <= room) return undefined;
  return `podCIDR ${podCidr} has room for ${room} nodes, not for ${config.nodes}: each takes a /${rangePrefix}`;
}
