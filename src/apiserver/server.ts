// The API server, put together. `assembly/` has the steps: storage, context, clients, entrance, lifecycle.

import type { Server } from 'node:net';
import type { Metrics } from '../base/metrics.ts';
import type { Client } from '../client/client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { type Access, createAccess } from './access.ts';
import { admissionPlugins, logAdmissionPlugins } from './admission/plugins.ts';
import { PortLedger } from './allocation/port-ledger.ts';
import { nodePortsInUse } from './allocation/service-state.ts';
import { createContext } from './assembly/api-context.ts';
import { type Basis, basisOf } from './assembly/basis.ts';
import { createEntrance, type Entrance } from './assembly/entrance.ts';
import { Lifecycle } from './assembly/lifecycle.ts';
import { createLocalClients, superuser } from './assembly/local-clients.ts';
import { Readiness } from './assembly/readiness.ts';
import { createStorage, type Storage } from './assembly/storage.ts';
import { createAuditor } from './audit/create-auditor.ts';
import { registerCalls } from './calls/calls.ts';
import { type ApiContext, registryOf } from './context.ts';
import { conversionWebhook } from './custom/conversion-webhook.ts';
import { CustomResources } from './custom/custom-resources.ts';
import { serveDecisions } from './decisions/decisions-api.ts';
import { WebhookClient } from './extension/webhook-client.ts';
import type { ApiServerOptions } from './server-options.ts';
import { serveUsage } from './usage/metrics-api.ts';

export type { ApiServerOptions };

export interface ApiServer {
  /** Serves what `listener` accepts; may be called for several. */
  listen(listener: Server): void;
  /** Opens a port of its own. Rejects when it is taken. */
  listenOn(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** In-process; a service account of kube-system, a user without groups of its own, or the superuser. */
  client(identity: { userAgent: string; serviceAccount?: string; user?: string }): Client;
  /** Resolves when it serves: the state of /readyz. */
  readonly ready: Promise<void>;
  run(signal: AbortSignal): Promise<void>;
  readonly metrics: Metrics;
  readonly context: ApiContext;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const basis = basisOf(options);
  const { clock, random, log, metrics } = basis;
  const storage = createStorage(basis);
  const context = createContext(basis, storage, () => access.authorizer);
  const auditor = options.audit && createAuditor(context, options.audit, metrics);
  const clients = createLocalClients(context, auditor, () => entrance);
  const client = clients.own;
  const informers = createInformerFactory(client, { clock, random, log });

  const access: Access = createAccess({ context, client, informers, options, metrics });
  storage.plugins.push(...admissionPlugins({ context, client, informers, options: { ...options, metrics }, access }));
  logAdmissionPlugins(storage.plugins, log);

  const nodePorts = sharedNodePorts(basis, storage, context);
  registerCalls({ context, client, informers, options, access, hooks: storage.hooks, nodePorts });
  const custom = createCustomResources(basis, storage, context);
  const usage = serveUsage(context, storage.resources, options);
  if (options.decisions) serveDecisions(context, storage.resources, options.decisions);

  const readiness = new Readiness();
  const checks = readiness.checks(storage.encryption?.checks ?? []);
  const entrance: Entrance = createEntrance({ basis, context, client, access, auditor, checks });
  const lifecycle = new Lifecycle({
    ...{ basis, storage, context, client, informers, access, auditor },
    ...{ custom, usage, nodePorts, entrance, readiness },
  });
  return {
    metrics,
    context,
    ready: lifecycle.ready,
    client: identity => clients.client(identity),
    listen: listener => lifecycle.listen(listener),
    listenOn: address => lifecycle.listenOn(address),
    run: signal => lifecycle.run(signal),
  };
}

/** Where servers that share a store keep the node ports they gave out. */
function sharedNodePorts({ options }: Basis, { store }: Storage, context: ApiContext): PortLedger | undefined {
  if (!store.newestRevision) return undefined;
  return new PortLedger({
    store,
    range: options.nodePortRange ?? [30000, 32767],
    inUse: () => nodePortsInUse(registryOf(context, '', 'services').cache),
  });
}

function createCustomResources({ options, random }: Basis, storage: Storage, context: ApiContext): CustomResources {
  const { resources, registries, makeCache, makeRegistry } = storage;
  const converters = new WebhookClient({ context, dial: options.dialExtension, userAgent: 'kube-apiserver' });
  return new CustomResources({
    ...{ context, resources, registries, makeCache, makeRegistry },
    definitions: registryOf(context, 'apiextensions.k8s.io', 'customresourcedefinitions'),
    user: superuser,
    webhook: conversionWebhook((config, body, timeoutMs) => converters.post(config, body, timeoutMs), random, {
      now: () => context.clock.monotonic(),
      done: (name, from, to, succeeded, startMs) =>
        context.counts.conversion(name, from, to, succeeded, (context.clock.monotonic() - startMs) / 1000),
    }),
  });
}
