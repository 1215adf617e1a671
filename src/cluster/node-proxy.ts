// The service proxy of a node: nftables in the node's network namespace.
import { featureGates } from '../api/feature-gates.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import { createServiceProxy } from '../proxy/service-proxy.ts';
import type { NodeContext } from './component-context.ts';
import { exec } from './host/exec.ts';
import { routeProtocol } from './kernel/route-plan.ts';

const retryMs = 5_000;

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
    run: (command, args, input) => exec(command, args, input === undefined ? {} : { input }),
    clock,
    random,
    log,
  });
  // Without any route the kernel gives up on a cluster IP before the rules see the packet.
  const route: Service = {
    name: 'service route',
    async run(signal) {
      while (!signal.aborted) {
        try {
          await ensureServiceRoute(config.serviceCidr, config.link, config.nodeAddress);
          return await aborted(signal);
        } catch (error) {
          log.warn('setting the route to services failed; trying again', { error });
          await clock.sleep(retryMs, signal).catch(() => {});
        }
      }
    },
  };
  return { name: 'proxy', run: signal => runAll([route, proxy], signal) };
}

/** Only where no other route leads there, a default route for instance: then that one does. */
async function ensureServiceRoute(serviceCidr: string, link: string, address: string): Promise<void> {
  const [network = ''] = serviceCidr.split('/');
  const leads = await exec('ip', ['route', 'get', network]).then(
    () => true,
    () => false,
  );
  if (leads) return;
  const target = [serviceCidr, 'dev', link, 'scope', 'link', 'src', address, 'proto', String(routeProtocol)];
  await exec('ip', ['route', 'replace', ...target]);
}
