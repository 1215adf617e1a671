// In-process clients of resources that other servers serve: authorized here, then sent there with the user's identity.
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { unavailable } from '../../api/status.ts';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import type { Client } from '../../client/client.ts';
import { httpClient } from '../../client/http-client.ts';
import { serviceAccountUser, type UserInfo } from '../authn/user.ts';
import { forbiddenError } from '../authz/authorizer.ts';
import type { ApiContext } from '../context.ts';
import { attributesOf } from '../request-attributes.ts';
import type { RequestInfo } from '../request-info.ts';
import type { Aggregation } from './aggregation.ts';
import { identityHeaders } from './kernel/identity-header.ts';

type Remote = ReturnType<typeof httpClient>;
type Reach = Pick<Aggregation, 'remoteFor' | 'servers'>;

/** Connections by service, endpoint and user. A service that changes gets new ones. */
export class RemoteClients {
  readonly #context: ApiContext;
  readonly #aggregation: Reach;
  readonly #clients = new Map<string, { service: APIService; client: Remote }>();

  constructor(context: ApiContext, aggregation: Reach) {
    this.#context = context;
    this.#aggregation = aggregation;
    context.onShutdown.add(() => {
      for (const { client } of this.#clients.values()) client.close();
    });
  }

  /** The client to use for `info`; undefined when it is served here. Throws 403 and 503. */
  for(info: RequestInfo, user: UserInfo, userAgent: string): Client | undefined {
    const service = this.#aggregation.remoteFor(info);
    if (!service) return undefined;
    const attributes = attributesOf(info, user);
    const { decision, reason } = this.#context.authorizer.authorize(attributes);
    if (decision !== 'allow') throw forbiddenError(attributes, reason);
    if (service.status?.conditions?.find(c => c.type === 'Available')?.status !== 'True')
      throw unavailable('the server is currently unable to handle the request');
    const { target, authority } = this.#aggregation.servers.locate(service);
    const id = `${service.metadata.name} ${authority} ${user.name} ${userAgent}`;
    const known = this.#clients.get(id);
    if (known?.service === service) return known.client;
    known?.client.close();
    const { ca, cert, key, servername, rejectUnauthorized } = target.tls ?? {};
    const client = httpClient({
      server: `https://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`,
      ...(ca ? { ca: String(ca) } : {}),
      ...(cert && key ? { cert: String(cert), key: String(key) } : {}),
      ...(servername ? { serverName: servername } : {}),
      ...(rejectUnauthorized === false ? { insecureSkipTlsVerify: true } : {}),
      headers: identityHeaders(user),
      userAgent,
      log: this.#context.log,
    });
    this.#clients.set(id, { service, client });
    return client;
  }
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
  ): Client => {
    if (!group) return local;
    const at = { isResource: true, verb, prefix: 'apis', group, version, resource, subresource, namespace, name };
    return clients.for({ ...at, rest: '', path: '' }, user, userAgent) ?? local;
  };
  const keyIn = (object: { readonly metadata?: unknown }) => object.metadata as { namespace?: string; name?: string };
  return {
    get: async (ref, key, options) => of('get', ref as never, key).get(ref, key, options),
    list: async (ref, options) => of('list', ref as never, { namespace: options?.namespace }).list(ref, options),
    create: async (ref, object, options) =>
      of('create', ref as never, { namespace: keyIn(object as never)?.namespace }).create(ref, object, options),
    update: async (ref, object, options) =>
      of('update', ref as never, keyIn(object as never)).update(ref, object, options),
    updateStatus: async (ref, object, options) =>
      of('update', ref as never, keyIn(object as never), 'status').updateStatus(ref, object, options),
    patch: async (ref, key, patch, options) =>
      of('patch', ref as never, key, options?.subresource).patch(ref, key, patch, options),
    delete: async (ref, key, options) => of('delete', ref as never, key).delete(ref, key, options),
    deleteCollection: async (ref, list, options) =>
      of('deletecollection', ref as never, { namespace: list.namespace }).deleteCollection(ref, list, options),
    watch(ref, options, handler) {
      try {
        return of('watch', ref as never, { namespace: options.namespace }).watch(ref, options, handler);
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
      of('create', ref as never, key, subresource).createSubresource(ref, key, subresource, body, options),
    getSubresource: async (ref, key, subresource) =>
      of('get', ref as never, key, subresource).getSubresource(ref, key, subresource),
    updateSubresource: async (ref, key, subresource, body) =>
      of('update', ref as never, key, subresource).updateSubresource(ref, key, subresource, body),
    raw: path => local.raw(path),
    as(identity) {
      const next = identity.serviceAccount ? serviceAccountUser('kube-system', identity.serviceAccount) : user;
      return withRemotes(local.as(identity), clients, { user: next, userAgent: identity.userAgent });
    },
  };
}
