// The API server, put together: storage, pipeline, front.

import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { featureGates } from '../api/feature-gates.ts';
import type { KubeObject } from '../api/meta.ts';
import { builtinResources, type Resource, resourceId } from '../api/resource.ts';
import { strategyOf } from '../api/rule/index.ts';
import { PartSharer } from '../api/share.ts';
import type { Strategy } from '../api/strategy.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { type Access, createAccess } from './access.ts';
import { AdmissionChain, type AdmissionPlugin } from './admission/admission.ts';
import { admissionPlugins } from './admission/plugins.ts';
import { Aggregation } from './aggregation/aggregation.ts';
import { readRemote } from './aggregation/read-remote.ts';
import { RemoteClients, withRemotes } from './aggregation/remote-client.ts';
import { PortLedger } from './allocation/port-ledger.ts';
import { nodePortsInUse } from './allocation/service-state.ts';
import { auditedClient } from './audit/audited-client.ts';
import { createAuditor } from './audit/create-auditor.ts';
import { allAuthenticated, serviceAccountUser, systemPrivilegedGroup, type UserInfo } from './authn/user.ts';
import { bootstrapObjects } from './bootstrap.ts';
import { registerCalls } from './calls/calls.ts';
import { type ApiContext, registryOf } from './context.ts';
import { conversionWebhook } from './custom/conversion-webhook.ts';
import { CustomResources } from './custom/custom-resources.ts';
import { customPrinter } from './custom/printer.ts';
import { allowDecisions, serveDecisions } from './decisions/decisions-api.ts';
import { Encryption } from './encryption/encryption.ts';
import { EndpointLeases } from './endpoint-leases.ts';
import { WebhookClient } from './extension/webhook-client.ts';
import { createGate } from './flowcontrol/gate.ts';
import { createHandler, type PathHandler } from './handler.ts';
import { type HealthCheck, healthPaths, metricsPath, versionInfo, versionPath } from './health.ts';
import { createFront, type Front } from './http/front.ts';
import { Turns } from './http/turns.ts';
import { ensureJoining } from './joining.ts';
import { ensureKubernetesService, reconcileKubernetesService } from './kubernetes-service.ts';
import { type LocalIdentity, localClient, serverUser } from './local-client.ts';
import { requestMetrics } from './metrics.ts';
import { admissionMeter } from './observe/admission-meter.ts';
import { MeasuredStore } from './observe/measured-store.ts';
import { createObservation, measuredAuthorizer } from './observe/observation.ts';
import { ServerCounts } from './observe/server-counts.ts';
import { PackedParts } from './packed-parts.ts';
import { protobufRenderer } from './protobuf-renderer.ts';
import { Dispatcher } from './registry/dispatcher.ts';
import { KeptBytes } from './registry/kept-bytes.ts';
import { Registry, type RegistryHooks } from './registry/registry.ts';
import { decodeStored } from './registry/stored-form.ts';
import { WatchCache } from './registry/watch-cache.ts';
import { formRenderer } from './render-forms.ts';
import { servedResources } from './runtime-config.ts';
import type { ApiServerOptions } from './server-options.ts';
import { createUpgradeHandler } from './stream/upgrade.ts';
import type { SurfaceOptions } from './surface.ts';
import { createSurface } from './surface.ts';
import { printerOf } from './table/printers.ts';
import { startUpkeep } from './upkeep.ts';
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

const superuser: UserInfo = { name: serverUser, groups: [systemPrivilegedGroup, allAuthenticated] };

function localUser({ serviceAccount, user }: { serviceAccount?: string; user?: string }): UserInfo {
  if (serviceAccount) return serviceAccountUser('kube-system', serviceAccount);
  return user ? { name: user, groups: [allAuthenticated] } : superuser;
}

// Ten thousand pods of 4 KB: a list of more is encoded anew.
const keptBytes = 48 << 20;
/** Of lists in gzip: about 150 MB of objects. */
const packedBytes = 16 << 20;
const longestDrainMs = 5000;

export function createApiServer(options: ApiServerOptions): ApiServer {
  const {
    clock = systemClock,
    random = systemRandom,
    log = createLog('apiserver'),
    metrics = createMetrics(),
  } = options;
  const serviceCidrs = options.serviceCidrs ?? ['10.96.0.0/12'];
  const featureEnabled = featureGates(options.featureGates);
  const table = builtinResources();
  const encryption =
    options.encryption &&
    new Encryption({
      ...{ store: options.store, resources: table.resources, options: options.encryption },
      ...{ clock, random, log, metrics },
    });
  const store = new MeasuredStore(encryption?.store ?? options.store, metrics, clock, table.resources);
  const dispatcher = new Dispatcher(store, clock, log);
  const sharer = new PartSharer();
  const decode = (bytes: Uint8Array, revision: number): KubeObject => {
    const object = decodeStored(bytes, revision);
    sharer.share(object);
    return object as KubeObject;
  };
  const served = servedResources(table.resources, options.runtimeConfig ?? {}, featureEnabled);
  const resources = new Map(served.map(r => [resourceId(r), r]));
  const registries = new Map<string, Registry>();
  const caches = new Map<string, WatchCache>();
  const kept = new KeptBytes(keptBytes);
  const plugins: AdmissionPlugin[] = [];
  const hooks = new Map<string, RegistryHooks>();
  const admission = new AdmissionChain(plugins, admissionMeter(metrics, clock));
  for (const resource of served) addRegistry(resource);

  const context: ApiContext = {
    clock,
    random,
    log,
    counts: new ServerCounts(metrics),
    dispatcher,
    turns: new Turns(),
    table,
    resources,
    registries,
    customGroups: new Map(),
    surface: { revision: 0 },
    calls: new Map(),
    streams: new Map(),
    renderers: [
      protobufRenderer,
      options =>
        formRenderer(options, ({ resource }) =>
          resource.custom ? customPrinter(resource.custom) : printerOf(resource),
        ),
    ],
    packedParts: new PackedParts(new KeptBytes(packedBytes)),
    onShutdown: new Set(),
    featureEnabled,
    authorizer: measuredAuthorizer(() => access.authorizer, metrics, clock),
  };
  const raw = async (path: string, user: UserInfo): Promise<unknown> =>
    (await readRemote(context, aggregation, path, user)) ?? surface.local(path);
  const auditor = options.audit && createAuditor(context, options.audit, metrics);
  const audited = (local: Client, identity: LocalIdentity) =>
    auditor ? auditedClient(local, auditor, identity) : local;
  const own = { user: superuser, userAgent: 'kube-apiserver' };
  const client = audited(localClient(context, own, raw), own);
  const informers = createInformerFactory(client, { clock, random, log });
  const access: Access = createAccess({ context, client, informers, options, metrics });
  plugins.push(...admissionPlugins({ context, client, informers, options: { ...options, metrics }, access }));
  const nodePorts = store.newestRevision
    ? new PortLedger({
        store,
        range: options.nodePortRange ?? [30000, 32767],
        inUse: () => nodePortsInUse(registryOf(context, '', 'services').cache),
      })
    : undefined;
  registerCalls({ context, client, informers, options, access, hooks, nodePorts });

  const converters = new WebhookClient({ context, dial: options.dialExtension, userAgent: 'kube-apiserver' });
  const custom = new CustomResources({
    context,
    resources,
    registries,
    definitions: registryOf(context, 'apiextensions.k8s.io', 'customresourcedefinitions'),
    user: superuser,
    webhook: conversionWebhook((config, body, timeoutMs) => converters.post(config, body, timeoutMs), random),
    makeCache: prefix => new WatchCache({ prefix, clock, decode, kept }),
    makeRegistry,
  });

  const usage = serveUsage(context, resources, options);
  if (options.decisions) serveDecisions(context, resources, options.decisions);

  let readiness: 'starting' | 'ready' | 'stopping' = 'starting';
  let storeFailure: Error | undefined;
  const checks: HealthCheck[] = [
    { name: 'ping', live: true, check: () => {} },
    { name: 'log', live: true, check: () => {} },
    { name: 'store', live: true, check: () => failIf(storeFailure?.message) },
    { name: 'poststarthook/bootstrap', live: false, check: () => failIf(readiness === 'starting' && 'not finished') },
    { name: 'informer-sync', live: false, check: () => failIf(readiness === 'starting' && 'not synced') },
    ...(encryption?.checks ?? []),
    { name: 'shutdown', live: false, check: () => failIf(readiness === 'stopping' && 'process is shutting down') },
  ];
  const version = versionInfo(options.k8tsVersion ?? '0.1.0');
  const aggregation = new Aggregation({ context, client, options, metrics });
  const remoteClients = new RemoteClients(context, aggregation);
  const surfaceOptions: SurfaceOptions = { context, version, remote: aggregation };
  const surface = createSurface(surfaceOptions);
  const { gate, paths: gatePaths } = createGate(context, options, metrics);
  const observation = createObservation({ context, options, metrics, version, store: options.store });
  const paths: PathHandler[] = [
    healthPaths(checks, observation.checked),
    versionPath(version),
    metricsPath(metrics),
    ...access.paths,
    ...surface.paths,
    ...gatePaths,
    ...observation.paths,
  ];
  const handle = createHandler({
    context,
    paths,
    gate,
    aggregation,
    auditor,
    log,
    metrics: requestMetrics(metrics, clock),
    tracer: observation.tracer,
    authenticate: exchange => access.authenticate(exchange),
    impersonate: (exchange, user, info) => access.impersonate(exchange, user, info),
  });
  const front: Front = createFront({
    cert: options.tls.cert,
    key: options.tls.key,
    clientCa: options.tls.clientCa,
    handle,
    upgrade: createUpgradeHandler({ context, access, options, log, handle }),
    onHandshakeError: () => void context.counts.handshakeErrors++,
  });
  let leases: EndpointLeases | undefined;
  const listeners = new Set<Server>();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});

  function addRegistry(resource: Resource): void {
    if (!resource.storagePrefix) return;
    const id = `${resource.group}/${resource.resource}`;
    if (registries.has(id)) return;
    const prefix = `${resource.storagePrefix}/`;
    let cache = caches.get(prefix);
    if (!cache) {
      cache = new WatchCache({ prefix, clock, decode, kept });
      caches.set(prefix, cache);
    }
    registries.set(id, makeRegistry(resource, strategyOf(resource), cache));
  }

  function makeRegistry(resource: Resource, strategy: Strategy, cache: WatchCache): Registry {
    const id = `${resource.group}/${resource.resource}`;
    return new Registry({
      resource,
      strategy,
      cache,
      store,
      ...(encryption ? { isStale: (key: string) => encryption.store.isStale(key) } : {}),
      dispatcher,
      admission,
      clock,
      random,
      featureEnabled,
      sharer,
      ...(id === '/events' || id === 'events.k8s.io/events' ? { ttlMs: 3_600_000 } : {}),
      get hooks() {
        return hooks.get(id);
      },
    });
  }

  async function start(signal: AbortSignal): Promise<void> {
    await encryption?.start();
    await dispatcher.start(caches, error => {
      storeFailure = error;
    });
    await custom.start();
    void informers.run(signal);
    await informers.whenSynced(signal);
    await bootstrapObjects(client, {
      serviceCidrs,
      clientCa: options.tls.clientCa,
      frontProxyCa: options.frontProxyCa,
      requestHeader: options.authentication?.requestHeader,
    });
    await Promise.all([
      access.bootstrap(signal),
      options.advertise ? advertise(options.advertise, signal) : undefined,
      startUpkeep(context, client, signal, nodePorts),
      aggregation.start(),
    ]);
    readiness = 'ready';
    ready.resolve();
    if (options.advertise) {
      const { address, port } = options.advertise;
      const url = `https://${address.includes(':') ? `[${address}]` : address}:${port}`;
      ensureJoining(client, { url, ca: options.tls.clientCa }).catch(error =>
        log.error('publishing cluster-info failed', { error }),
      );
    }
    if (options.decisions) allowDecisions(client).catch(error => log.error('making a role failed', { error }));
    usage.run(signal, client).catch(error => log.error('serving usage failed', { error }));
  }

  /** Becomes an endpoint of the service default/kubernetes, beside the other servers of a shared store. */
  async function advertise(at: { address: string; port: number }, signal: AbortSignal): Promise<void> {
    const service = { clusterIp: firstAddress(serviceCidrs[0]!), ...at };
    if (!store.newestRevision) return reconcileKubernetesService(client, service);
    await ensureKubernetesService(client, service);
    leases = new EndpointLeases({ store, client, clock, log, ...at });
    await leases.renew();
    void leases.run(signal);
  }

  return {
    metrics,
    context,
    ready: ready.promise,
    listen(listener) {
      listeners.add(listener);
      listener.on('connection', (socket: Socket) => front.accept(socket));
    },
    async listenOn({ host, port }) {
      const listener = createServer({ noDelay: true, pauseOnConnect: false });
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject);
        listener.listen(port, host, 4096, resolve);
      });
      this.listen(listener);
      const at = listener.address() as { address: string; port: number };
      return { host: at.address, port: at.port };
    },
    client(identity) {
      const local = { userAgent: identity.userAgent, user: localUser(identity) };
      return audited(withRemotes(localClient(context, local, raw), remoteClients, local), local);
    },
    async run(signal) {
      try {
        await start(signal);
      } catch (error) {
        ready.reject(error);
        throw error;
      }
      await new Promise<void>(resolve =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      readiness = 'stopping';
      const left = leases?.remove().catch(error => log.warn('leaving the endpoints failed', { error }));
      if (left) await Promise.race([left, clock.sleep(longestDrainMs)]);
      for (const listener of listeners) listener.close();
      for (const end of context.onShutdown) end();
      await endedIn(front.drain(), clock);
      front.destroy();
      if (auditor) await endedIn(auditor.close(), clock);
      await endedIn(observation.tracer.close(), clock);
      custom.stop();
      dispatcher.stop();
      encryption?.stop();
    },
  };
}

/** Waits for it, but not for long. */
async function endedIn(ending: Promise<unknown>, clock: Clock): Promise<void> {
  const ended = new AbortController();
  await Promise.race([ending.finally(() => ended.abort()), clock.sleep(longestDrainMs, ended.signal).catch(() => {})]);
}

function failIf(reason: string | false | undefined): void {
  if (reason) throw new Error(reason);
}

/** The first usable address of an IPv4 range: 10.96.0.1 of 10.96.0.0/12. */
function firstAddress(cidr: string): string {
  const parts = cidr.split('/')[0]!.split('.').map(Number);
  parts[3] = (parts[3] ?? 0) + 1;
  return parts.join('.');
}
