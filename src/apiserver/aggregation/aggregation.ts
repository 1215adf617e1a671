// API aggregation: APIServices of this server's own groups, and whether the servers behind the others can be asked.
import { createHash } from 'node:crypto';
import { cloneDeep, type Draft, formatTime, type KubeObject, type Mutable } from '../../api/meta.ts';
import { apiregistrationV1 } from '../../api/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts';
import type { APIService, APIServiceCondition } from '../../api/type/apiregistration-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Timer } from '../../base/clock.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Client } from '../../client/client.ts';
import { systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';
import { type ApiContext, registryOf } from '../context.ts';
import { servedBy } from '../discovery/discovery.ts';
import { serviceOf, slicesOf } from '../extension/service-endpoint.ts';
import type { Exchange } from '../http/exchange.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { RequestInfo } from '../request-info.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { type Availability, checkService, failedDiscovery, isAvailable, local, passed } from './kernel/availability.ts';
import { automanagedLabel, localServices } from './kernel/local-service.ts';
import { aggregatedAccept, aggregatedEntries, entriesOf, type RegisteredVersion } from './kernel/remote-discovery.ts';
import { partOf, type RemoteOpenApi, urlsOf } from './kernel/remote-openapi.ts';
import { proxyTo } from './proxy.ts';
import { isTrustable, RemoteServers } from './remote-server.ts';
import { countUnavailable } from './unavailable.ts';

const resyncMs = 30_000;
const firstRetryMs = 5;
const retryMs = 5000;
const openApiMs = 60_000;
const settleMs = 50;
/** Who asks for OpenAPI documents: anybody may have them. */
const documentReader: UserInfo = { name: 'system:aggregator', groups: [] };
const aggregator: UserInfo = { name: 'system:kube-aggregator', groups: [systemPrivilegedGroup] };

export interface AggregationDeps {
  readonly context: ApiContext;
  /** Acts as the API server itself. */
  readonly client: Client;
  readonly options: ApiServerOptions;
  readonly metrics?: Metrics;
}

/** What is known of one aggregated server. */
interface Known {
  resources: readonly object[] | undefined;
  openApi?: RemoteOpenApi;
  /** When its OpenAPI documents were last asked for, monotonic. */
  readMs?: number;
  /** One after the other, so far. */
  failures: number;
  checking: boolean;
  /** Something changed while it was being checked. */
  again: boolean;
  timer?: Timer | undefined;
}

interface Told {
  readonly revision: number;
  readonly versions: readonly RegisteredVersion[];
  readonly withdrawn: ReadonlySet<string>;
}

export class Aggregation {
  readonly #deps: AggregationDeps;
  readonly #cache: WatchCache;
  readonly servers: RemoteServers;
  readonly #known = new Map<string, Known>();
  #remotes: { from: unknown; byVersion: ReadonlyMap<string, APIService> } = { from: undefined, byVersion: new Map() };
  readonly #unavailable: ((name: string, reason: string) => void) | undefined;
  /** What this server registers once, when it starts; nothing before it has. */
  #once: readonly string[] = [];
  #localTimer: Timer | undefined;
  /** The registrations so far: the next begins when it sees what they have written. */
  #registered: Promise<void> = Promise.resolve();
  #stopped = false;
  #revision = 0;
  #lastTold: Told | undefined;

  constructor(deps: AggregationDeps) {
    this.#deps = deps;
    this.#cache = registryOf(deps.context, 'apiregistration.k8s.io', 'apiservices').cache;
    this.servers = new RemoteServers(deps.context, deps.options);
    this.#unavailable = deps.metrics && countUnavailable(deps.metrics, () => this.#services());
  }

  /** Registers what this server serves itself and begins to check the rest; stops with the server. */
  async start(): Promise<void> {
    const { context } = this.#deps;
    await this.#registerLocal(true);
    const stops = [
      this.#cache.listen({
        onEvent: ({ key, stored }) => {
          this.#revision++;
          if (stored.object.metadata.labels?.[automanagedLabel] === 'true') this.#surfaceChanged();
          this.#enqueue(key);
        },
      }),
      registryOf(context, '', 'services').cache.listen({ onEvent: ({ key }) => this.#onService(key) }),
      registryOf(context, 'discovery.k8s.io', 'endpointslices').cache.listen({
        onEvent: ({ stored }) => {
          const { namespace, labels } = stored.object.metadata;
          this.#onService(`${namespace}/${labels?.['kubernetes.io/service-name']}`);
        },
      }),
      context.registries.get('apiextensions.k8s.io/customresourcedefinitions')?.cache.listen({
        onEvent: () => this.#surfaceChanged(),
      }),
    ];
    for (const { metadata } of this.#services()) this.#enqueue(metadata.name);
    context.onShutdown.add(() => {
      this.#stopped = true;
      this.#localTimer?.cancel();
      for (const known of this.#known.values()) known.timer?.cancel();
      for (const stop of stops) stop?.();
    });
  }

  #services(): readonly APIService[] {
    const all: APIService[] = [];
    this.#cache.snapshot().scan('', undefined, ({ object }) => {
      all.push(object as unknown as APIService);
      return true;
    });
    return all;
  }

  /** APIServices with a server behind them, by `group/version`. What this server serves itself is not among them. */
  get remotes(): ReadonlyMap<string, APIService> {
    const snapshot = this.#cache.snapshot();
    if (this.#remotes.from !== snapshot) {
      const byVersion = new Map<string, APIService>();
      for (const service of this.#services()) {
        const { group = '', version = '' } = service.spec;
        if (service.spec.service) byVersion.set(`${group}/${version}`, service);
      }
      this.#remotes = { from: snapshot, byVersion };
    }
    return this.#remotes.byVersion;
  }

  /** The server to hand a request to; undefined for what is served here. */
  remoteFor({ prefix, group, version }: RequestInfo): APIService | undefined {
    if (prefix !== 'apis' || !version) return undefined;
    const { remotes } = this;
    return remotes.size === 0 ? undefined : remotes.get(`${group}/${version}`);
  }

  serve(service: APIService, exchange: Exchange, user: UserInfo, auditId?: string): Promise<void> {
    return proxyTo({ context: this.#deps.context, servers: this.servers, service, exchange, user, auditId });
  }

  /** Moves when what discovery shows of them may have changed. */
  get revision(): number {
    return this.#revision;
  }

  /** For discovery: every APIService there is; the same list while nothing changes. */
  versions(): readonly RegisteredVersion[] {
    return this.#told().versions;
  }

  /** Names of this server's own APIServices that somebody has deleted since it started. */
  withdrawn(): ReadonlySet<string> {
    return this.#told().withdrawn;
  }

  #told(): Told {
    if (this.#lastTold?.revision === this.#revision) return this.#lastTold;
    const versions = this.#services().map(({ metadata: { name }, spec, status }) => {
      const resources = isAvailable(status) ? this.#known.get(name)?.resources : undefined;
      return {
        name,
        group: spec.group ?? '',
        version: spec.version ?? '',
        groupPriority: spec.groupPriorityMinimum,
        versionPriority: spec.versionPriority,
        ...(spec.service ? { remote: { resources } } : {}),
      };
    });
    const withdrawn = new Set(this.#once.filter(name => !this.#cache.get(name)));
    this.#lastTold = { revision: this.#revision, versions, withdrawn };
    return this.#lastTold;
  }

  // ---- this server's own ----

  #surfaceChanged(): void {
    if (this.#localTimer || this.#stopped) return;
    this.#localTimer = this.#deps.context.clock.after(settleMs, () => {
      this.#localTimer = undefined;
      this.#registered = this.#registered
        .then(() => this.#registerLocal(false))
        .catch(error => {
          this.#deps.context.log.warn('registering local APIServices failed', { error: messageOf(error) });
          this.#surfaceChanged();
        });
    });
  }

  async #registerLocal(starting: boolean): Promise<void> {
    const { context, client } = this.#deps;
    const served = servedBy(context);
    const wanted = localServices(served.groups, served.resources);
    const writes: Promise<unknown>[] = [];
    for (const [name, draft] of wanted) {
      const current = this.#cache.get(name)?.object as unknown as APIService | undefined;
      const managed = draft.metadata?.labels?.[automanagedLabel];
      // Whoever deletes one of the server's own keeps it away until the next start.
      if (managed === 'onstart' && !starting) continue;
      if (!current) writes.push(client.create(apiregistrationV1.apiservices, draft).catch(unless(isAlreadyExists)));
      else if (current.metadata.labels?.[automanagedLabel] && !sameSpec(current, draft as never)) {
        const { resourceVersion } = current.metadata;
        const next = { ...draft, metadata: { ...draft.metadata, resourceVersion } };
        writes.push(client.update(apiregistrationV1.apiservices, next).catch(unless(isConflict)));
      }
    }
    for (const { metadata } of this.#services()) {
      const { name, labels } = metadata;
      const managed = labels?.[automanagedLabel];
      if (!wanted.has(name) && (managed === 'true' || (managed && starting)))
        writes.push(client.delete(apiregistrationV1.apiservices, { name }).catch(unless(isNotFound)));
    }
    await Promise.all(writes);
    if (!starting) return;
    this.#once = [...wanted].filter(([, { metadata }]) => isOnce(metadata)).map(([name]) => name);
    this.#revision++;
  }

  // ---- the others ----

  #onService(key: string): void {
    for (const { metadata, spec } of this.remotes.values())
      if (`${spec.service?.namespace}/${spec.service?.name}` === key) this.#enqueue(metadata.name);
  }

  #enqueue(name: string): void {
    if (this.#stopped) return;
    let known = this.#known.get(name);
    if (!known) {
      known = { resources: undefined, failures: 0, checking: false, again: false };
      this.#known.set(name, known);
    }
    if (known.checking) {
      known.again = true;
      return;
    }
    known.checking = true;
    known.timer?.cancel();
    const entry = known;
    void this.#check(name, entry)
      .catch(error => {
        this.#deps.context.log.warn('checking an aggregated API failed', { name, error: messageOf(error) });
        return retryMs;
      })
      .then(again => {
        entry.checking = false;
        if (this.#stopped) return;
        if (entry.again) {
          entry.again = false;
          this.#enqueue(name);
        } else if (again) entry.timer = this.#deps.context.clock.after(again, () => this.#enqueue(name));
        else if (!this.#cache.get(name)) this.#known.delete(name);
      });
  }

  /** Returns after how long to check again. */
  async #check(name: string, known: Known): Promise<number | undefined> {
    const service = this.#cache.get(name)?.object as unknown as APIService | undefined;
    if (!service) return undefined;
    if (!service.spec.service) {
      await this.#note(service, local);
      return undefined;
    }
    // Whose certificate nobody can check is left as it is.
    if (!isTrustable(service)) return retryAfter(known);
    const availability = await this.#availability(service, known);
    await this.#note(service, availability);
    if (availability === passed) await this.#readOpenApi(service, known);
    if (availability.reason === 'FailedDiscoveryCheck') return retryAfter(known);
    known.failures = 0;
    return resyncMs;
  }

  async #availability(service: APIService, known: Known): Promise<Availability> {
    const { context } = this.#deps;
    const { group = '', version = '', service: behind } = service.spec;
    const { namespace = '', name = '' } = behind!;
    const found = checkService(service, serviceOf(context, namespace, name), slicesOf(context, namespace, name));
    if (found) return found;
    try {
      await this.servers.probe(service, `/apis/${group}/${version}`, aggregator);
    } catch (error) {
      return failedDiscovery(messageOf(error));
    }
    known.resources = await this.#discover(service);
    this.#revision++;
    return passed;
  }

  /** Of all the server's groups at once where it can tell, as its list of resources otherwise. */
  async #discover(service: APIService): Promise<readonly object[] | undefined> {
    const { group = '', version = '' } = service.spec;
    const all = await this.servers.readTyped(service, '/apis', aggregatedAccept, aggregator).catch(() => undefined);
    const entries = all && entriesOf(all.contentType, all.content, group, version);
    if (entries) return entries;
    const list = this.servers.read(service, `/apis/${group}/${version}`, 'application/json', aggregator);
    return list.then(aggregatedEntries).catch(() => undefined);
  }

  /** Not at every check: the documents are large. A server may have none. */
  async #readOpenApi(service: APIService, known: Known): Promise<void> {
    const nowMs = this.#deps.context.clock.monotonic();
    if (known.readMs !== undefined && nowMs - known.readMs < openApiMs) return;
    known.readMs = nowMs;
    const { group, version } = service.spec;
    const id = `apis/${group}/${version}`;
    const read = (path: string) =>
      this.servers.read(service, path, 'application/json', documentReader).catch(() => undefined);
    const [index, document] = await Promise.all([read('/openapi/v3'), read('/openapi/v2')]);
    const urls = urlsOf(index);
    const part = partOf(id, document ?? {});
    const hash = createHash('sha512').update(`${JSON.stringify([...urls])} ${JSON.stringify([...part.paths])}`);
    hash.update(JSON.stringify([...part.definitions]));
    known.openApi = { id, hash: hash.digest('hex').toUpperCase(), urls, ...part };
  }

  /** For OpenAPI: of the servers that have told. */
  openApi(): readonly RemoteOpenApi[] {
    const out: RemoteOpenApi[] = [];
    for (const { metadata } of this.remotes.values()) {
      const told = this.#known.get(metadata.name)?.openApi;
      if (told) out.push(told);
    }
    return out;
  }

  async serveOpenApi(exchange: Exchange, user: UserInfo, id: string): Promise<void> {
    for (const service of this.remotes.values())
      if (this.#known.get(service.metadata.name)?.openApi?.urls.has(id)) return this.serve(service, exchange, user);
  }

  async #note(service: APIService, { status, reason, message }: Availability): Promise<void> {
    const { client, context } = this.#deps;
    const before = service.status?.conditions?.find(c => c.type === 'Available');
    if (before && before.status === status && before.reason === reason && before.message === message) return;
    const lastTransitionTime =
      before?.status === status && before.lastTransitionTime
        ? before.lastTransitionTime
        : formatTime(context.clock.now());
    const condition: APIServiceCondition = { type: 'Available', status, lastTransitionTime, reason, message };
    const next = cloneDeep(service as unknown as KubeObject) as unknown as Mutable<APIService>;
    next.status = {
      conditions: [...(service.status?.conditions ?? []).filter(c => c.type !== 'Available'), condition],
    } as never;
    if (status === 'False' && before?.status === 'True') this.#unavailable?.(service.metadata.name, reason);
    // Another write came first: its event brings us back.
    await client
      .updateStatus(apiregistrationV1.apiservices, next as never)
      .catch(unless(error => isConflict(error) || isNotFound(error)));
    this.#revision++;
  }
}

const retryAfter = (known: Known): number => Math.min(retryMs, firstRetryMs * 2 ** known.failures++);

const isOnce = (metadata: Draft<APIService>['metadata']): boolean => metadata?.labels?.[automanagedLabel] === 'onstart';

const unless = (expected: (error: unknown) => boolean) => (error: unknown) => {
  if (!expected(error)) throw error;
};

function sameSpec(
  a: APIService,
  b: { readonly spec?: object; readonly metadata: { readonly labels?: object } },
): boolean {
  const labels = a.metadata.labels?.[automanagedLabel];
  return (
    JSON.stringify(Object.entries(a.spec).sort()) === JSON.stringify(Object.entries(b.spec ?? {}).sort()) &&
    labels === (b.metadata.labels as Record<string, string>)?.[automanagedLabel]
  );
}
