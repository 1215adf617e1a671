// Other servers of one store, perhaps of another version: what this one does not serve and they do is asked of them
// (UnknownVersionInteroperabilityProxy). Each keeps its address below /registry/peerserverleases, by its identity.
import { resourceId } from '../../api/resource.ts';
import { unavailable } from '../../api/status.ts';
import type { Endpoints } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { authorityOf, dialError, keepingAgent } from '../../base/http/upgrade-request.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Store } from '../../store/store.ts';
import { handOver } from '../aggregation/hand-over.ts';
import { identityHeaders } from '../aggregation/kernel/identity-header.ts';
import { type Location, textOf } from '../aggregation/remote-server.ts';
import { systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import { keepEndpoints, removeEndpoints } from '../endpoint-leases.ts';
import type { Exchange } from '../http/exchange.ts';
import { decodeStored } from '../registry/stored-form.ts';
import type { RequestInfo } from '../request-info.ts';
import { sendStatus } from '../respond.ts';
import { closeIdle, requestBackend } from '../stream/backend.ts';
import type { GroupEntry } from './kernel/merge-discovery.ts';
import { KnownPeers, type Peer } from './known-peers.ts';
import { type PeerMetrics, peerMetrics } from './peer-metrics.ts';

/** As --peer-advertise-ip and --peer-advertise-port; whom it believes is among the certificates. */
export interface PeerOptions {
  readonly address: string;
  readonly port: number;
}

export interface PeersDeps {
  readonly context: ApiContext;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly options: PeerOptions;
  /** Of this server among them. */
  readonly identity: string;
  /** APIServices with a server behind them, by `group/version`; the same while nothing changes. */
  readonly aggregated: () => ReadonlyMap<string, unknown>;
}

interface Asking {
  readonly user: UserInfo;
  readonly auditId: string;
}

type AskPeer = (user: UserInfo, auditId: string) => Promise<void>;

interface Discovery {
  readonly items: readonly GroupEntry[];
}

const prefix = '/registry/peerserverleases/';
const everyMs = 10_000;
const readMs = 5000;
/** On a request that was sent on: it is not sent on again. */
const proxied = 'x-kubernetes-peer-proxied';
const proxiedHeaders = { [proxied]: 'true' };
const own: UserInfo = { name: 'system:apiserver', groups: [systemPrivilegedGroup] };
const documents = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const accept = `${documents};profile=nopeer,${documents}`;

export class Peers {
  readonly #deps: PeersDeps;
  readonly #metrics: PeerMetrics;
  readonly #agent = keepingAgent({ maxFreeSockets: 64 });
  readonly #known: KnownPeers;
  readonly headers = proxiedHeaders;

  constructor(deps: PeersDeps) {
    this.#deps = deps;
    const { clock } = deps.context;
    this.#known = new KnownPeers({ clock, identity: deps.identity, shared: sharedOf(deps) });
    this.#metrics = peerMetrics(deps.metrics);
    const { certificates, onShutdown } = deps.context;
    certificates.onChange(() => closeIdle(this.#agent));
    onShutdown.add(() => this.#agent.destroy());
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps.context;
    while (!signal.aborted) {
      try {
        await this.refresh();
      } catch (error) {
        if (!signal.aborted) log.warn('looking for other servers failed', { error: messageOf(error) });
      }
      await clock.sleep(everyMs, signal).catch(() => {});
    }
  }

  /** Says where this server is, and asks the others what they serve. */
  async refresh(): Promise<void> {
    const { store, identity, options } = this.#deps;
    const subsets = [{ addresses: [{ ip: options.address }], ports: [{ name: 'https', port: options.port }] }];
    await keepEndpoints(store, prefix + identity, { metadata: { name: identity }, subsets });
    this.#known.look();
    const { entries } = await store.list(prefix);
    const found = await Promise.all(
      entries
        .filter(({ key }) => key !== prefix + identity)
        .map(async ({ key, value, revision }) => {
          const name = key.slice(prefix.length);
          return [name, await this.#ask(name, decodeStored(value, revision))] as const;
        }),
    );
    this.#known.replace(new Map(found.flatMap(([name, peer]) => (peer ? [[name, peer]] : []))));
  }

  get revision(): number {
    return this.#known.revision;
  }

  merge(own: readonly GroupEntry[], core: boolean): readonly GroupEntry[] {
    return this.#known.merge(own, core);
  }

  counted(what: 'alone' | 'kept' | 'made'): void {
    this.#metrics.counted(what);
  }

  async remove(): Promise<void> {
    await removeEndpoints(this.#deps.store, prefix + this.#deps.identity);
  }

  /** Asks one that serves what is not served here; undefined when there is none. */
  for(info: RequestInfo, exchange: Exchange): AskPeer | undefined {
    if (exchange.headers[proxied] !== undefined) return undefined;
    const location = this.locate(info);
    return location && ((user, auditId) => this.#serve(location, info, exchange, { user, auditId }));
  }

  /** One that serves what is not served here. */
  locate(info: RequestInfo): Location | undefined {
    const { resources, random } = this.#deps.context;
    if (!info.isResource || resources.has(resourceId(info))) return undefined;
    const able = this.#known.serving(resourceId(info));
    const peer = able[Math.floor(random.next() * able.length)];
    return peer && this.#current(peer.location);
  }

  async #serve(location: Location, info: RequestInfo, exchange: Exchange, asking: Asking): Promise<void> {
    const { context } = this.#deps;
    try {
      await handOver({ context, agent: this.#agent, exchange, ...asking, location, more: proxiedHeaders });
      this.#metrics.rerouted(info, exchange.sentCode);
    } catch (error) {
      this.#metrics.failed(info);
      context.log.warn('asking another server failed', { server: location.authority, error: messageOf(error) });
      const why = dialError(location.target, (error as Error).cause ?? error);
      sendStatus(exchange, unavailable(`Error while proxying request to destination apiserver: ${why}`));
    }
  }

  /** With the certificates of now. */
  #current(location: Location): Location {
    return { ...location, target: { ...location.target, tls: this.#tls } };
  }

  get #tls() {
    const { peerCa, frontProxyClient } = this.#deps.context.certificates.current;
    return { ...(peerCa ? { ca: peerCa } : {}), ...frontProxyClient };
  }

  /** As it was known before when it does not say. */
  async #ask(name: string, stored: unknown): Promise<Peer | undefined> {
    const subset = (stored as Endpoints).subsets?.[0];
    const [host, port] = [subset?.addresses?.[0]?.ip, subset?.ports?.[0]?.port];
    if (!host || !port) return undefined;
    const target = { protocol: 'https:', host, port, tls: this.#tls } as const;
    const location = { target, endpoint: target, authority: authorityOf(target) };
    try {
      const [core, groups] = await Promise.all(['/api', '/apis'].map(path => this.#read(location, path)));
      return { location, core: core!.items, groups: groups!.items };
    } catch (error) {
      this.#metrics.unread();
      this.#deps.context.log.warn('reading what another server serves failed', {
        server: location.authority,
        error: dialError(target, error),
      });
      return this.#known.get(name);
    }
  }

  async #read(location: Location, path: string): Promise<Discovery> {
    const { clock } = this.#deps.context;
    const controller = new AbortController();
    const timer = clock.after(readMs, () => controller.abort());
    try {
      const answer = await requestBackend(location.target, {
        ...{ method: 'GET', path, agent: this.#agent, signal: controller.signal, clock },
        headers: { accept, host: location.authority, 'user-agent': 'kube-apiserver', ...identityHeaders(own) },
      });
      const text = await textOf(answer);
      if (answer.statusCode !== 200) throw new Error(`bad status: ${answer.statusCode}`);
      return JSON.parse(text) as Discovery;
    } finally {
      timer.cancel();
    }
  }
}

/** `group/version` of what every server of the store serves alike: custom resources and aggregated APIs. */
function sharedOf({ context, aggregated }: PeersDeps): () => ReadonlySet<string> {
  let revision: number | undefined;
  let remotes: unknown;
  let ids: ReadonlySet<string> = new Set();
  return () => {
    const now = aggregated();
    if (revision === context.surface.revision && remotes === now) return ids;
    revision = context.surface.revision;
    remotes = now;
    const custom = [...context.customGroups.values()].flatMap(({ name, versions }) =>
      versions.map(({ version }) => `${name}/${version}`),
    );
    const next = new Set([...custom, ...now.keys()]);
    if (ids.symmetricDifference(next).size > 0) ids = next;
    return ids;
  };
}
