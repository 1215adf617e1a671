// Who somebody is and what they may do: authentication, authorization and the resources about them, put together.
import { rbacV1 } from '../api/refs.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { Lru } from '../client/lru.ts';
import { accessCalls } from './access-calls.ts';
import { type Credentials, createAuthentication } from './authn/authentication.ts';
import { startTracking } from './authn/legacy-token.ts';
import type { UserInfo } from './authn/user.ts';
import { createAuthorization } from './authz/authorization.ts';
import type { Authorizer } from './authz/authorizer.ts';
import { bootstrapPolicy, nodeRules, reconcile } from './authz/bootstrap-policy.ts';
import { asksToImpersonate, type ImpersonationMode, impersonated } from './authz/impersonation.ts';
import { impersonationMeter } from './authz/impersonation-meter.ts';
import { followingGraph, NodeAuthorizer, nodeFeedResources } from './authz/node-authorizer.ts';
import { RbacAuthorizer } from './authz/rbac.ts';
import type { ApiContext, CallHandler } from './context.ts';
import { WebhookClient } from './extension/webhook-client.ts';
import type { PathHandler } from './handler.ts';
import { distinctHeaders } from './http/distinct-headers.ts';
import type { Exchange } from './http/exchange.ts';
import { attributesOf } from './request-attributes.ts';
import type { RequestInfo } from './request-info.ts';
import type { ApiServerOptions } from './server-options.ts';

export interface Access {
  readonly authorizer: Authorizer;
  readonly rules: RbacAuthorizer;
  /** Throws 401. */
  authenticate(credentials: Credentials): UserInfo | Promise<UserInfo>;
  /** Throws 403 when the user asks to be somebody it may not be. */
  impersonate(
    exchange: Pick<Exchange, 'headers' | 'rawHeaders' | 'query'>,
    user: UserInfo,
    info: RequestInfo,
  ): UserInfo | Promise<UserInfo>;
  /** Rejects when who issues tokens cannot be asked. */
  start(): Promise<void>;
  /** Creates the bootstrap policy. */
  bootstrap(signal: AbortSignal): Promise<void>;
  readonly paths: readonly PathHandler[];
  readonly calls: ReadonlyMap<string, CallHandler>;
}

export interface AccessDeps {
  readonly context: ApiContext;
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly options: ApiServerOptions;
  readonly metrics?: Metrics;
}

export function createAccess({ context, client, informers, options, metrics }: AccessDeps): Access {
  const webhooks = new WebhookClient({ context, dial: options.dialExtension, userAgent: 'kube-apiserver' });
  const authentication = createAuthentication({ context, client, options, webhooks, metrics });
  const rbac = new RbacAuthorizer({
    roles: informers.informer(rbacV1.roles),
    clusterRoles: informers.informer(rbacV1.clusterroles),
    roleBindings: informers.informer(rbacV1.rolebindings),
    clusterRoleBindings: informers.informer(rbacV1.clusterrolebindings),
  });
  const authorizer = createAuthorization({
    ...{ context, node: nodeAuthorizer(context, informers), rbac, webhooks, metrics },
    options: options.authorization,
  });
  return {
    authorizer,
    rules: rbac,
    calls: accessCalls(authentication, authorizer, context.clock),
    paths: [authentication.discovery],
    authenticate: authentication.authenticate,
    start: () => authentication.start(),
    impersonate: impersonation(context, authorizer, metrics),
    async bootstrap(signal) {
      await reconcile(client, signal, bootstrapPolicy(context.featureEnabled));
      await startTracking(client, context.clock);
    },
  };
}

const mostImpersonators = 1000;

function impersonation(context: ApiContext, authorizer: Authorizer, metrics?: Metrics): Access['impersonate'] {
  const constrained = context.featureEnabled('ConstrainedImpersonation');
  const usual = new Lru<ImpersonationMode>(mostImpersonators);
  const meter = metrics && impersonationMeter(metrics, context.clock);
  return ({ headers, rawHeaders, query }, user, info) => {
    if (!asksToImpersonate(headers)) return user;
    return impersonated({
      ...{ headers: distinctHeaders(rawHeaders), user, authorizer, usual, ...meter?.() },
      ...(constrained ? { action: () => attributesOf(info, user, query) } : {}),
    });
  };
}

function nodeAuthorizer(context: ApiContext, informers: InformerFactory): NodeAuthorizer {
  const { clock, counts } = context;
  const timed = (operation: string, act: () => void) => {
    const startMs = clock.monotonic();
    act();
    counts.graphAction(operation).observe((clock.monotonic() - startMs) / 1000);
  };
  const graph = followingGraph(nodeFeeds(context, informers), timed);
  return new NodeAuthorizer(graph, nodeRules(bootstrapPolicy(context.featureEnabled)));
}

function nodeFeeds(context: ApiContext, informers: InformerFactory) {
  const { pods, persistentVolumes, volumeAttachments, resourceSlices, podCertificateRequests } = nodeFeedResources;
  const certifies = context.registries.has('certificates.k8s.io/podcertificaterequests');
  return {
    pods: informers.informer(pods),
    persistentVolumes: informers.informer(persistentVolumes),
    volumeAttachments: informers.informer(volumeAttachments),
    resourceSlices: informers.informer(resourceSlices),
    ...(certifies ? { podCertificateRequests: informers.informer(podCertificateRequests) } : {}),
  };
}
