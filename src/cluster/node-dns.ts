// The DNS server of a node, on the node's own address: the service proxy leads the cluster's DNS address to it.
import type { Service } from '../base/lifecycle.ts';
import { createClusterDns } from '../dns/cluster-dns.ts';
import type { NodeContext } from './component-context.ts';

export function createNodeDns(context: NodeContext): Service {
  const { config, clock, random, log } = context;
  return createClusterDns({
    domain: config.clusterDomain,
    address: config.nodeAddress,
    clusterDns: config.clusterDns,
    resolvConf: config.resolvConf,
    informers: context.proxyInformers,
    clock,
    random,
    log: log.with({ part: 'dns' }),
  });
}
