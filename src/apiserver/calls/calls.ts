// Which subresources and unstored resources this server answers itself.

import type { Client } from '../../client/client.ts';
import type { InformerFactory } from '../../client/informer.ts';
import type { Access } from '../access.ts';
import { ipAddresses } from '../allocation/ip-addresses.ts';
import type { PortLedger } from '../allocation/port-ledger.ts';
import { serviceHooks } from '../allocation/service-allocation.ts';
import { rangesInUse } from '../allocation/service-cidrs.ts';
import type { ApiContext } from '../context.ts';
import { registryOf } from '../context.ts';
import { csrCounts } from '../observe/csr-counts.ts';
import type { RegistryHooks } from '../registry/registry.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { bindPod } from './binding.ts';
import { componentStatus } from './component-status.ts';
import { evict } from './eviction.ts';
import { scale } from './scale.ts';

export interface CallDeps {
  readonly context: ApiContext;
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly options: ApiServerOptions;
  readonly access: Access;
  /** Where servers that share a store keep what they gave out. */
  readonly nodePorts?: PortLedger | undefined;
  readonly hooks: Map<string, RegistryHooks>;
}

const scalable = ['apps/deployments', 'apps/replicasets', 'apps/statefulsets', '/replicationcontrollers'];

export function registerCalls(deps: CallDeps): void {
  const { context, access } = deps;
  const { calls } = context;
  const pods = registryOf(context, '', 'pods');
  calls.set('/pods/binding', call => bindPod(call, pods));
  calls.set('/bindings', call => bindPod(call, pods));
  calls.set('/pods/eviction', call => evict(call, pods, registryOf(context, 'policy', 'poddisruptionbudgets')));
  calls.set('/componentstatuses', call => componentStatus(call, deps.options.components ?? []));
  for (const id of scalable) calls.set(`${id}/scale`, scale);
  const services = registryOf(context, '', 'services');
  const serviceCidrs = deps.options.serviceCidrs ?? ['10.96.0.0/12'];
  deps.hooks.set(
    '/services',
    serviceHooks({
      cache: services.cache,
      ...(deps.nodePorts ? { shared: { ledger: deps.nodePorts, listen: l => services.cache.listen(l) } } : {}),
      addresses: ipAddresses(deps.client, registryOf(context, 'networking.k8s.io', 'ipaddresses')),
      ranges: () => rangesInUse(registryOf(context, 'networking.k8s.io', 'servicecidrs').cache, serviceCidrs),
      serviceCidrs,
      nodePortRange: deps.options.nodePortRange ?? [30000, 32767],
      random: context.random,
      counts: context.counts.allocations,
    }),
  );
  deps.hooks.set('certificates.k8s.io/certificatesigningrequests', csrCounts(context.counts));
  for (const [id, handler] of access.calls) calls.set(id, handler);
}
