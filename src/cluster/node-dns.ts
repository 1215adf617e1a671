// The DNS server of a node, on the node's own address: the service proxy leads the cluster's DNS address to it.
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import { createClusterDns } from '../dns/cluster-dns.ts';
import type { NodeContext } from './component-context.ts';
import { createDnsAnnouncement } from './dns-announcement.ts';

export function createNodeDns(context: NodeContext): Service {
  const { config, clock, random } = context;
  const log = context.log.with({ part: 'dns' });
  const listening = Promise.withResolvers<void>();
  const dns = createClusterDns({
    domain: config.clusterDomain,
    address: config.nodeAddress,
    clusterDns: config.clusterDns,
    resolvConf: config.resolvConf,
    informers: context.proxyInformers,
    clock,
    random,
    log,
    onListening: listening.resolve,
  });
  const { nodeName } = config;
  const announcement = createDnsAnnouncement({
    ...{ nodeName, client: context.kubeletClient, informers: context.proxyInformers, clock, log },
  });
  const announced: Service = {
    name: announcement.name,
    async run(signal) {
      await Promise.race([listening.promise, aborted(signal)]);
      if (!signal.aborted) await announcement.run(signal);
    },
  };
  return { name: dns.name, run: signal => runAll([dns, announced], signal) };
}
