// The control plane's part of the cluster's DNS: the kube-dns service and its endpoints, kept with rights of its own.
import { runAll, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { ensureDnsAccess } from '../dns/dns-access.ts';
import { dnsController, dnsServiceAccount } from '../dns/dns-controller.ts';
import { runControllers } from '../engine/engine.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { serviceAddress } from './config.ts';

const retryMs = 5_000;

export function createDnsService(context: ControlPlaneContext): Service {
  const { clock, random, metrics, config } = context;
  const log = context.log.with({ part: 'dns' });
  const client = context.client({ userAgent: 'cluster-dns-controller', serviceAccount: dnsServiceAccount });
  const informers = inNamespace('kube-system', createInformerFactory(client, { clock, random, log }));
  const controller = dnsController({ clusterDns: serviceAddress(config.serviceCidr, 10) });
  const engine: Service = {
    name: 'cluster DNS controller',
    run: signal => runControllers([controller], { client, informers, clock, random, log, metrics }, signal),
  };
  const services: Service[] = [engine, { name: 'informers', run: s => informers.run(s) }];
  return {
    name: 'cluster DNS',
    async run(signal) {
      await granted(context, log, signal);
      if (!signal.aborted) await runAll(services, signal);
    },
  };
}

async function granted(context: ControlPlaneContext, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return await ensureDnsAccess(context.client({ userAgent: 'k8ts-bootstrap' }));
    } catch (error) {
      log.warn('granting access to the DNS controller failed; trying again', { error });
      await context.clock.sleep(retryMs, signal).catch(() => {});
    }
  }
}

/** Asks for one namespace only, as the rights are. */
const inNamespace = (namespace: string, factory: InformerFactory): InformerFactory => ({
  informer: (resource, options) =>
    factory.informer(resource, resource.namespaced ? { namespace, ...options } : (options ?? {})),
  run: signal => factory.run(signal),
  whenSynced: signal => factory.whenSynced(signal),
});
