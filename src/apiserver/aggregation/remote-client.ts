// In-process clients of resources that other servers serve: authorized here, then sent there with the user's identity.
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { unavailable } from '../../api/status.ts';
import { via } from '../../base/http/dial.ts';
import type { Client, WatchHandle } from '../../client/client.ts';
import { httpClient } from '../../client/http-client.ts';
import { serviceAccountUser, type UserInfo } from '../authn/user.ts';
import { requireAllowed } from '../authz/authorizer.ts';
import type { KeyPair } from '../configuration/certificates.ts';
import type { ApiContext } from '../context.ts';
import { attributesOf } from '../request-attributes.ts';
import type { RequestInfo } from '../request-info.ts';
import type { Aggregation } from './aggregation.ts';
import { isAvailable } from './kernel/availability.ts';
import { identityHeaders } from './kernel/identity-header.ts';
import type { Location } from './remote-server.ts';

type Remote = ReturnType<typeof httpClient>;
type Reach = Pick<Aggregation, 'remoteFor' | 'servers'>;

/** Other servers of the store. */
interface Others {
  /** One that serves what is not served here. */
  locate(info: RequestInfo): Location | undefined;
  /** Of a request that was sent on. */
  readonly headers: Readonly<Record<string, string>>;
}

interface Destination {
  readonly id: string;
  /** Of another one the connections are made anew. */
  readonly of: unknown;
  readonly location: Location;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Connections by server, endpoint and user. A service that changes gets new ones. */
export class RemoteClients {
  readonly #context: ApiContext;
  readonly #aggregation: Reach;
  readonly #others: Others | undefined;
  readonly #clients = new Map<string, { of: unknown; shown: KeyPair | undefined; client: Remote }>();

  constructor(context: ApiContext, aggregation: Reach, others?: Others) {
    this.#context = context;
    this.#aggregation = aggregation;
    this.#others = others;
    context.onShutdown.add(() => {
      for (const { client } of this.#clients.values()) client.close();
    });
  }

  /** The client to use for `info`; undefined when it is served here. Throws 403 and 503. */
  for(info: RequestInfo, user: UserInfo, userAgent: string): Client | undefined | Promise<Client> {
    const found = this.#find(info);
    if (!found) return undefined;
    const waiting = requireAllowed(this.#context.authorizer, attributesOf(info, user));
    return waiting
      ? waiting.then(() => this.#connect(found(), user, userAgent))
      : this.#connect(found(), user, userAgent);
  }

  #find(info: RequestInfo): (() => Destination) | undefined {
    const service = this.#aggregation.remoteFor(info);
    if (service)
      return () => {
        if (!isAvailable(service.status)) throw unavailable('the server is currently unable to handle the request');
        return { id: service.metadata.name, of: service, location: this.#aggregation.servers.locate(service) };
      };
    const location = this.#others?.locate(info);
    if (!location) return undefined;
    return () => ({ id: '', of: location.target.tls?.ca, location, headers: this.#others!.headers });
  }

  #connect({ id: name, of, location, headers }: Destination, user: UserInfo, userAgent: string): Client {
    const { target, authority } = location;
    const id = `${name} ${authority} ${user.name} ${userAgent}`;
    const known = this.#clients.get(id);
    const { frontProxyClient: shown } = this.#context.certificates.current;
    if (known && known.of === of && known.shown === shown) return known.client;
    known?.client.close();
    const { ca, cert, key, servername, rejectUnauthorized } = target.tls ?? {};
    const client = httpClient({
      server: `https://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`,
      ...(ca ? { ca: String(ca) } : {}),
      ...(cert && key ? { cert: String(cert), key: String(key) } : {}),
      ...(servername ? { serverName: servername } : {}),
      ...via(target.dial),
      ...(rejectUnauthorized === false ? { insecureSkipTlsVerify: true } : {}),
      headers: { ...identityHeaders(user), ...headers },
      userAgent,
      log: this.#context.log,
    });
    this.#clients.set(id, { of, shown, client });
    return client;
  }
}

/** A watch that begins once it is known who serves it. */
function lateWatch(begun: Promise<WatchHandle>, handler: { onClose(error?: Error): void }): WatchHandle {
  let stopped = false;
  begun.then(
    watch => stopped && watch.stop(),
    error => stopped || handler.onClose(error),
  );
  return {
    stop() {
      if (stopped) return;
      stopped = true;
      begun.then(
        watch => watch.stop(),
        () => {},
      );
    },
  };
}

/** `local`, but for resources that other servers serve. */
export function withRemotes(
  local: Client,
  clients: RemoteClients,
  { user, userAgent }: { user: UserInfo; userAgent: string },
): Client {
  const of = (
    verb: string,
    { group, version, resource }: ResourceRef<KubeObject>,
    { namespace = '', name = '' }: { namespace?: string | undefined; name?: string | undefined } = {},
    subresource = '',
  ): Client | Promise<Client> => {
    if (!group) return local;
    const at = { isResource: true, verb, prefix: 'apis', group, version, resource, subresource, namespace, name };
    return clients.for({ ...at, rest: '', path: '' }, user, userAgent) ?? local;
  };
  const via = <R>(found: Client | Promise<Client>, use: (client: Client) => R | Promise<R>): R | Promise<R> =>
    found instanceof Promise ? found.then(use) : use(found);
  const keyIn = (object: { readonly metadata?: unknown }) => object.metadata as { namespace?: string; name?: string };
  return {
    get: async (ref, key, options) => via(of('get', ref as never, key), c => c.get(ref, key, options)),
    list: async (ref, options) =>
      via(of('list', ref as never, { namespace: options?.namespace }), c => c.list(ref, options)),
    create: async (ref, object, options) =>
      via(of('create', ref as never, { namespace: keyIn(object as never)?.namespace }), c =>
        c.create(ref, object, options),
      ),
    update: async (ref, object, options) =>
      via(of('update', ref as never, keyIn(object as never)), c => c.update(ref, object, options)),
    updateStatus: async (ref, object, options) =>
      via(of('update', ref as never, keyIn(object as never), 'status'), c => c.updateStatus(ref, object, options)),
    patch: async (ref, key, patch, options) =>
      via(of('patch', ref as never, key, options?.subresource), c => c.patch(ref, key, patch, options)),
    delete: async (ref, key, options) => via(of('delete', ref as never, key), c => c.delete(ref, key, options)),
    deleteCollection: async (ref, list, options) =>
      via(of('deletecollection', ref as never, { namespace: list.namespace }), c =>
        c.deleteCollection(ref, list, options),
      ),
    watch(ref, options, handler) {
      try {
        const found = of('watch', ref as never, { namespace: options.namespace });
        if (!(found instanceof Promise)) return found.watch(ref, options, handler);
        return lateWatch(
          found.then(client => client.watch(ref, options, handler)),
          handler,
        );
      } catch (error) {
        let stopped = false;
        queueMicrotask(() => {
          if (!stopped) handler.onClose(error as Error);
        });
        return {
          stop() {
            stopped = true;
          },
        };
      }
    },
    createSubresource: async (ref, key, subresource, body, options) =>
      via(of('create', ref as never, key, subresource), c => c.createSubresource(ref, key, subresource, body, options)),
    getSubresource: async (ref, key, subresource) =>
      via(of('get', ref as never, key, subresource), c => c.getSubresource(ref, key, subresource)),
    updateSubresource: async (ref, key, subresource, body) =>
      via(of('update', ref as never, key, subresource), c => c.updateSubresource(ref, key, subresource, body)),
    raw: path => local.raw(path),
    as(identity) {
      const next = identity.serviceAccount ? serviceAccountUser('kube-system', identity.serviceAccount) : user;
      return withRemotes(local.as(identity), clients, { user: next, userAgent: identity.userAgent });
    },
  };
}
