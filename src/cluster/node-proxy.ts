// The service proxy of a node: nftables in the node's network namespace.
import { featureGates } from '../api/feature-gates.ts';
import { runAll, type Service } from '../base/lifecycle.ts';
import { createSeriesRecorder } from '../client/series-recorder.ts';
import { createServiceProxy } from '../proxy/service-proxy.ts';
import type { NodeContext } from './component-context.ts';
import { exec } from './host/exec.ts';
import { createServiceRoute } from './service-route.ts';

export function createNodeProxy(context: NodeContext): Service {
  const { config, clock, random } = context;
  const log = context.log.with({ part: 'proxy' });
  const proxy = createServiceProxy({
    nodeName: config.nodeName,
    nodeAddresses: [config.nodeAddress],
    podCidrs: [config.podCidr],
    serviceCidrs: [config.serviceCidr],
    externalIps: featureGates(config.featureGates)('AllowServiceExternalIPs'),
    informers: context.proxyInformers,
    events: createSeriesRecorder(context.proxyClient, {
      ...{ component: 'kube-proxy', host: config.nodeName, clock, random, log },
    }),
    run: (command, args, input) => exec(command, args, input === undefined ? {} : { input }),
    clock,
    random,
    log,
  });
  const route = createServiceRoute({ ...config, clock, log });
  return { name: 'proxy', run: signal => runAll([route, proxy], signal) };
}
