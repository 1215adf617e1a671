// How the server comes up, serves and goes down.
import { createServer, type Server, type Socket } from 'node:net';
import { isInvalid } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import { aborted } from '../../base/lifecycle.ts';
import type { Client } from '../../client/client.ts';
import type { InformerFactory } from '../../client/informer.ts';
import type { Access } from '../access.ts';
import type { PortLedger } from '../allocation/port-ledger.ts';
import type { Auditor } from '../audit/auditor.ts';
import { ensureAuthenticationTrust, trustKey } from '../authn/authentication-trust.ts';
import { bootstrapObjects, ensureNamespaces, systemNamespaces } from '../bootstrap.ts';
import { type ApiContext, registryOf } from '../context.ts';
import type { CustomResources } from '../custom/custom-resources.ts';
import { allowDecisions } from '../decisions/decisions-api.ts';
import { EndpointLeases } from '../endpoint-leases.ts';
import { IdentityLease } from '../identity-lease.ts';
import { ensureJoining } from '../joining.ts';
import { ensureKubernetesService, reconcileKubernetesService } from '../kubernetes-service.ts';
import { watchConsistency } from '../registry/consistency.ts';
import { later, startUpkeep } from '../upkeep.ts';
import type { UsageApi } from '../usage/metrics-api.ts';
import type { Basis } from './basis.ts';
import type { Entrance } from './entrance.ts';
import type { Readiness } from './readiness.ts';
import type { Storage } from './storage.ts';

export interface LifecycleDeps {
  readonly basis: Basis;
  readonly storage: Storage;
  readonly context: ApiContext;
  /** Acts as the API server itself. */
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly access: Access;
  readonly auditor: Auditor | undefined;
  readonly custom: CustomResources;
  readonly usage: UsageApi;
  readonly nodePorts: PortLedger | undefined;
  readonly entrance: Entrance;
  readonly readiness: Readiness;
}

const longestDrainMs = 5000;
const slowStartMs = 10_000;
// As often as kube-apiserver looks after them.
const serviceAfterMs = 10_000;
const namespacesAfterMs = 60_000;
const trustAfterMs = 1000;

export class Lifecycle {
  readonly #deps: LifecycleDeps;
  readonly #listeners = new Set<Server>();
  readonly #ready = Promise.withResolvers<void>();
  #leases: EndpointLeases | undefined;

  constructor(deps: LifecycleDeps) {
    this.#deps = deps;
    this.#ready.promise.catch(() => {});
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  listen(listener: Server): void {
    const { front } = this.#deps.entrance;
    this.#listeners.add(listener);
    listener.on('connection', (socket: Socket) => front.accept(socket));
  }

  async listenOn({ host, port }: { host: string; port: number }): Promise<{ host: string; port: number }> {
    const listener = createServer({ noDelay: true, pauseOnConnect: false });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(port, host, 4096, resolve);
    });
    this.listen(listener);
    const at = listener.address() as { address: string; port: number };
    return { host: at.address, port: at.port };
  }

  async run(signal: AbortSignal): Promise<void> {
    const telling = this.#tellWaiting();
    const { basis, readiness } = this.#deps;
    const { shutdownDelayMs = 0 } = basis.options;
    const serving = shutdownDelayMs > 0 ? new AbortController() : undefined;
    // One that does not serve yet has nobody to wait for.
    if (serving) void aborted(signal).then(() => readiness.phase === 'starting' && serving.abort(signal.reason));
    try {
      await this.#start(serving?.signal ?? signal, signal);
    } catch (error) {
      serving?.abort(error);
      this.#ready.reject(error);
      await this.#stop();
      throw error;
    } finally {
      telling.cancel();
    }
    await aborted(signal);
    if (serving && !serving.signal.aborted) {
      await this.#leave();
      await basis.clock.sleep(shutdownDelayMs);
      serving.abort(signal.reason);
    }
    await this.#stop();
  }

  /** A start that takes long says what it waits for: it may wait for ever where what it needs cannot be read. */
  #tellWaiting(): { cancel(): void } {
    const { readiness, storage, basis } = this.#deps;
    readiness.unreadable = () => {
      const found = storage.dispatcher.unreadable.map(({ prefix, count }) => `${count} below ${prefix}`);
      return found.length ? `what is stored and cannot be read: ${found.join(', ')}` : '';
    };
    let timer = basis.clock.after(slowStartMs, tell);
    return { cancel: () => timer.cancel() };

    function tell(): void {
      const why = readiness.waiting('the server is not ready');
      if (why)
        basis.log.warn(why, { check: readiness.step === 'informers' ? 'informer-sync' : 'poststarthook/bootstrap' });
      timer = basis.clock.after(slowStartMs, tell);
    }
  }

  /** `signal`: until it serves no longer; `stop`: until it is told to stop, which may be a while before. */
  async #start(signal: AbortSignal, stop: AbortSignal): Promise<void> {
    const { storage, custom, informers, client, context, access, nodePorts, entrance, readiness } = this.#deps;
    const { options, log } = this.#deps.basis;
    await storage.encryption?.start();
    await access.start();
    await storage.dispatcher.start(storage.caches, error => {
      readiness.storeFailure = error;
    });
    await custom.start();
    // All of it has been read, and is not read again.
    await storage.store.unmap?.();
    readiness.step = 'informers';
    void informers.run(signal);
    await informers.whenSynced(signal);
    readiness.step = 'bootstrap objects';
    await bootstrapObjects(client, this.#serviceCidrs);
    readiness.step = 'authorization and upkeep';
    await Promise.all([
      access.bootstrap(signal),
      options.advertise ? this.#advertise(options.advertise, signal, stop) : undefined,
      startUpkeep(context, client, signal, this.#serviceCidrs, {
        range: options.nodePortRange ?? [30000, 32767],
        ledger: nodePorts,
      }),
      entrance.aggregation.start(),
      this.#publishTrust(signal),
    ]);
    const namespaces = systemNamespaces.map(name => ({ group: '', resource: 'namespaces', name }));
    this.#restore(namespaces, namespacesAfterMs, () => ensureNamespaces(client), signal);
    readiness.phase = 'ready';
    this.#ready.resolve();
    this.#identify(signal);
    void entrance.peers?.run(stop);
    this.#watchConsistency(signal);
    if (options.advertise)
      ensureJoining(client, { url: urlOf(options.advertise), ca: context.certificates.current.clientCa }).catch(error =>
        log.error('publishing cluster-info failed', { error }),
      );
    if (options.decisions) allowDecisions(client).catch(error => log.error('making a role failed', { error }));
    this.#deps.usage.run(signal, client).catch(error => log.error('serving usage failed', { error }));
  }

  get #serviceCidrs(): readonly string[] {
    return this.#deps.basis.options.serviceCidrs ?? ['10.96.0.0/12'];
  }

  #watchConsistency(signal: AbortSignal): void {
    const { context, basis, storage } = this.#deps;
    const { clock, log, featureEnabled } = basis;
    if (!featureEnabled('DetectCacheInconsistency')) return;
    const { store, dispatcher } = storage;
    const caches = () => [...context.registries.values()].map(({ cache }) => cache);
    void watchConsistency({ caches, store, dispatcher, clock, log }, signal);
  }

  /** For aggregated servers, now and whenever other authorities are believed. */
  async #publishTrust(signal: AbortSignal): Promise<void> {
    const { client, context, basis } = this.#deps;
    const { clock, log, options } = basis;
    const ensure = () => {
      const { clientCa, frontProxyCa } = context.certificates.current;
      const { requestHeader } = options.authentication ?? {};
      return ensureAuthenticationTrust(client, { clientCa, frontProxyCa, requestHeader, nowMs: clock.now() });
    };
    await ensure();
    this.#restore([{ group: '', resource: 'configmaps', name: trustKey.name }], trustAfterMs, ensure, signal);
    context.certificates.onChange(() => {
      ensure().catch(error => log.error('publishing what is believed failed', { error }));
    });
  }

  /** Other servers, and who looks after storage versions, know it by its lease. */
  #identify(signal: AbortSignal): void {
    const { client, basis } = this.#deps;
    const { clock, random, log, featureEnabled, options } = basis;
    const { hostname } = options;
    if (hostname === undefined || !featureEnabled('APIServerIdentity')) return;
    void new IdentityLease({ client, clock, random, log, hostname }).run(signal);
  }

  /** Becomes an endpoint of the service default/kubernetes, beside the other servers of a shared store. */
  async #advertise(at: { address: string; port: number }, signal: AbortSignal, stop: AbortSignal): Promise<void> {
    const { client, basis, storage } = this.#deps;
    const { store } = storage;
    const service = { clusterIp: firstAddress(this.#serviceCidrs[0]!), ...at };
    const own = { group: '', name: 'kubernetes' };
    const kinds = [
      { ...own, resource: 'services' },
      { ...own, resource: 'endpoints' },
      { ...own, resource: 'endpointslices', group: 'discovery.k8s.io' },
    ];
    if (!store.newestRevision) {
      await this.#keep(kinds, () => reconcileKubernetesService(client, service), signal);
      return;
    }
    await this.#keep(kinds.slice(0, 1), () => ensureKubernetesService(client, service), signal);
    this.#leases = new EndpointLeases({ store, client, clock: basis.clock, log: basis.log, ...at });
    await this.#leases.renew();
    void this.#leases.run(stop);
  }

  /** Makes the service of the server, now or, where the cluster's ranges have no place for it yet, later. */
  async #keep(
    objects: readonly { group: string; resource: string; name: string }[],
    act: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let refused = false;
    try {
      await act();
    } catch (error) {
      if (!isInvalid(error)) throw error;
      refused = true;
      this.#deps.basis.log.error('making the service of the API server failed', { error });
    }
    const restoring = this.#restore(objects, serviceAfterMs, act, signal);
    if (refused) restoring.onEvent();
  }

  /** Puts right what belongs to the server itself, a while after somebody has changed or deleted it. */
  #restore(
    objects: readonly { group: string; resource: string; name: string }[],
    afterMs: number,
    act: () => Promise<void>,
    signal: AbortSignal,
  ): { onEvent(): void } {
    const { context, basis } = this.#deps;
    const restoring = later(context, afterMs, async () => {
      try {
        await act();
      } catch (error) {
        if (signal.aborted) return;
        basis.log.error('restoring an object of the server failed', { error });
        restoring.onEvent();
      }
    });
    const stops = objects.map(({ group, resource, name }) =>
      registryOf(context, group, resource).cache.listen({ name, onEvent: () => restoring.onEvent() }),
    );
    signal.addEventListener('abort', () => {
      for (const stop of stops) stop();
      restoring.cancel();
    });
    return restoring;
  }

  /** Who looks for a server finds this one no longer. */
  async #leave(): Promise<void> {
    const { readiness, basis, entrance } = this.#deps;
    const { clock, log } = basis;
    if (readiness.phase === 'stopping') return;
    readiness.phase = 'stopping';
    const left = this.#leases?.remove().catch(error => log.warn('leaving the endpoints failed', { error }));
    const unlisted = entrance.peers?.remove().catch(error => log.warn('leaving the other servers failed', { error }));
    if (left || unlisted) await Promise.race([Promise.all([left, unlisted]), clock.sleep(longestDrainMs)]);
  }

  async #stop(): Promise<void> {
    const { basis, context, entrance, auditor, custom, storage } = this.#deps;
    const { clock } = basis;
    await this.#leave();
    for (const listener of this.#listeners) listener.close();
    for (const end of context.onShutdown) end();
    await endedIn(entrance.front.drain(), clock);
    entrance.front.destroy();
    if (auditor) await endedIn(auditor.close(), clock);
    await endedIn(entrance.observation.tracer.close(), clock);
    custom.stop();
    storage.dispatcher.stop();
    storage.encryption?.stop();
  }
}

/** Waits for it, but not for long. */
async function endedIn(ending: Promise<unknown>, clock: Clock): Promise<void> {
  const ended = new AbortController();
  await Promise.race([ending.finally(() => ended.abort()), clock.sleep(longestDrainMs, ended.signal).catch(() => {})]);
}

function urlOf({ address, port }: { address: string; port: number }): string {
  return `https://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** The first usable address of an IPv4 range: 10.96.0.1 of 10.96.0.0/12. */
function firstAddress(cidr: string): string {
  const parts = cidr.split('/')[0]!.split('.').map(Number);
  parts[3] = (parts[3] ?? 0) + 1;
  return parts.join('.');
}
