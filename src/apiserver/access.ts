// Who somebody is and what they may do: authenticators, authorizers and the resources about them, put together.
import type { Draft } from '../api/meta.ts';
import { formatTime } from '../api/meta.ts';
import { rbacV1 } from '../api/refs.ts';
import { methodNotSupported, unauthorized } from '../api/status.ts';
import type { Node, Pod, Secret, ServiceAccount } from '../api/type/core-v1.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { accessTo, readKubeconfig } from '../client/kubeconfig.ts';
import { admitCall } from './admission/admit-call.ts';
import { bootstrapTokenAuthenticator } from './authn/bootstrap-token.ts';
import { clientCertificateAuthenticator, peerVerifier } from './authn/client-certificate.ts';
import { readAuthenticationConfiguration } from './authn/configuration.ts';
import { frontProxyAuthenticator } from './authn/front-proxy.ts';
import { openidConfiguration, TokenKeys } from './authn/jws.ts';
import { legacyTokenUse, startTracking } from './authn/legacy-token.ts';
import { AuthenticationMetrics, certificateLifetimes, TokenCacheCounts } from './authn/metrics.ts';
import { oidcAuthenticator } from './authn/oidc/oidc.ts';
import { reviewSelf, reviewToken } from './authn/reviews.ts';
import { type ServiceAccountLookup, ServiceAccountTokenAuthenticator } from './authn/service-account-token.ts';
import { parseTokenFile, tokenFileAuthenticator } from './authn/token-file.ts';
import { issueServiceAccountToken } from './authn/token-request.ts';
import {
  bearerTokenAuthenticator,
  bearerTokenOf,
  RequestAuthenticator,
  unionTokenAuthenticator,
} from './authn/union.ts';
import {
  type AuthnRequest,
  CredentialError,
  defaultIssuer,
  type PeerCertificate,
  type TokenAuthenticator,
  type UserInfo,
} from './authn/user.ts';
import { webhookTokenAuthenticator } from './authn/webhook-token.ts';
import { createAuthorization } from './authz/authorization.ts';
import type { Authorizer, RuleResolver } from './authz/authorizer.ts';
import { bootstrapPolicy, nodeRules, reconcile } from './authz/bootstrap-policy.ts';
import { impersonated } from './authz/impersonation.ts';
import { followingGraph, NodeAuthorizer, nodeFeedResources } from './authz/node-authorizer.ts';
import { RbacAuthorizer } from './authz/rbac.ts';
import {
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from './authz/reviews.ts';
import { draftFrom, targetOf } from './body.ts';
import { FollowedFile } from './configuration/followed-file.ts';
import type { ApiContext, Call, CallHandler } from './context.ts';
import { WebhookClient } from './extension/webhook-client.ts';
import type { PathHandler } from './handler.ts';
import type { Exchange } from './http/exchange.ts';
import { attributesOf } from './request-attributes.ts';
import type { RequestInfo } from './request-info.ts';
import { onlyGet } from './respond.ts';
import type { ApiServerOptions } from './server-options.ts';

export interface Access {
  readonly authorizer: Authorizer;
  readonly rules: RbacAuthorizer;
  /** Throws 401. */
  authenticate(exchange: Pick<Exchange, 'headers' | 'peer' | 'path'>): UserInfo | Promise<UserInfo>;
  /** Throws 403 when the user asks to be somebody it may not be. */
  impersonate(
    exchange: Pick<Exchange, 'headers' | 'query'>,
    user: UserInfo,
    info: RequestInfo,
  ): UserInfo | Promise<UserInfo>;
  /** Creates the bootstrap policy. */
  bootstrap(signal: AbortSignal): Promise<void>;
  readonly paths: readonly PathHandler[];
  readonly calls: ReadonlyMap<string, CallHandler>;
}

const unvalidated = { fieldValidation: 'Ignore', warn() {} } as const;
const tokenRequest = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  typeName: 'io.k8s.api.authentication.v1.TokenRequest',
};

export interface AccessDeps {
  readonly context: ApiContext;
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly options: ApiServerOptions;
  readonly metrics?: Metrics;
}

export function createAccess({ context, client, informers, options, metrics }: AccessDeps): Access {
  const { clock, random, log } = context;
  const constrained = context.featureEnabled('ConstrainedImpersonation');
  const attempts = metrics && new AuthenticationMetrics(metrics, clock);
  const impersonations = metrics?.counter('apiserver_impersonation_attempts_total', 'Attempts to impersonate.', [
    'mode',
    'decision',
  ]);
  const countImpersonation = (mode: string, allowed: boolean) =>
    impersonations?.inc({ mode, decision: allowed ? 'allowed' : 'denied' });
  const {
    issuers = [defaultIssuer],
    jwksUri = `${issuers[0]}/openid/v1/jwks`,
    ...tokenOptions
  } = options.serviceAccountTokens ?? {};
  const apiAudiences = tokenOptions.apiAudiences ?? issuers;
  const keys = new TokenKeys({
    signingKeyPem: options.serviceAccountKeys.privateKey,
    publicKeyPems: [...options.serviceAccountKeys.publicKeys, ...(options.serviceAccountTokens?.publicKeys ?? [])],
  });
  const cached = <T>(resource: string, key: string) =>
    context.registries.get(`/${resource}`)?.cache.get(key)?.object as unknown as T | undefined;
  const lookup: ServiceAccountLookup = {
    serviceAccount: (namespace, name) => cached<ServiceAccount>('serviceaccounts', `${namespace}/${name}`),
    secret: (namespace, name) => cached<Secret>('secrets', `${namespace}/${name}`),
    pod: (namespace, name) => cached<Pod>('pods', `${namespace}/${name}`),
    node: name => cached<Node>('nodes', name),
  };
  const webhooks = new WebhookClient({ context, dial: options.dialExtension, userAgent: 'kube-apiserver' });
  const noteLegacy = legacyTokenUse(client, clock, log);
  const used = { stale: 0, legacy: 0, valid: 0 };
  for (const [state, what] of [
    ['stale', 'stale projected'],
    ['legacy', 'legacy'],
    ['valid', 'valid projected'],
  ] as const)
    metrics?.source(
      `serviceaccount_${state}_tokens_total`,
      `[ALPHA] Cumulative ${what} service account tokens used`,
      'counter',
      () => [{ labels: {}, value: used[state] }],
    );
  const tokens = unionTokenAuthenticator([
    ...(options.tokenFile ? [tokenFileAuthenticator(parseTokenFile(options.tokenFile), apiAudiences)] : []),
    new ServiceAccountTokenAuthenticator({
      keys,
      issuers,
      apiAudiences,
      lookup,
      clock,
      onStaleToken: () => void used.stale++,
      onValidToken: () => void used.valid++,
      onLegacyToken(secret) {
        used.legacy++;
        noteLegacy(secret);
      },
    }),
    bootstrapTokenAuthenticator({ secret: lookup.secret, apiAudiences, clock }),
    ...foreignTokens({ context, options, issuers, apiAudiences, webhooks, metrics }),
  ]);
  const requests = new RequestAuthenticator({
    members: [
      frontProxyAuthenticator(options.authentication?.requestHeader ?? { allowedNames: ['front-proxy-client'] }),
      clientCertificateAuthenticator(clock, metrics && certificateLifetimes(metrics)),
      bearerTokenAuthenticator(tokens, apiAudiences),
    ],
    ...(options.authentication?.anonymousPaths ? { anonymousPaths: options.authentication.anonymousPaths } : {}),
    onRefused: error => log.info('refused a credential', { error }),
  });
  const verify = peerVerifier({
    clientCaPem: options.tls.clientCa,
    ...(options.frontProxyCa ? { frontProxyCaPem: options.frontProxyCa } : {}),
    clock,
  });

  const rbac = new RbacAuthorizer({
    roles: informers.informer(rbacV1.roles),
    clusterRoles: informers.informer(rbacV1.clusterroles),
    roleBindings: informers.informer(rbacV1.rolebindings),
    clusterRoleBindings: informers.informer(rbacV1.clusterrolebindings),
  });
  const timed = (operation: string, act: () => void) => {
    const startMs = clock.monotonic();
    act();
    context.counts.graphAction(operation).observe((clock.monotonic() - startMs) / 1000);
  };
  const nodes = new NodeAuthorizer(
    followingGraph(nodeFeeds(context, informers), timed),
    nodeRules(bootstrapPolicy(context.featureEnabled)),
  );
  const authorizer = createAuthorization({
    ...{ context, node: nodes, rbac, webhooks, metrics },
    options: options.authorization,
  });
  const calls = accessCalls(authorizer);

  function peerOf({ peer }: Pick<Exchange, 'peer'>): PeerCertificate | undefined {
    if (peer.memo === undefined) {
      const { certificate } = peer;
      peer.memo = certificate ? remember(() => verify(certificate)) : null;
    }
    if (peer.memo instanceof CredentialError) throw peer.memo;
    return (peer.memo as PeerCertificate | null) ?? undefined;
  }

  function accessCalls(resolver: RuleResolver): Map<string, CallHandler> {
    const created = (object: object) => ({ code: 201, object });
    const bodyOf = async (call: Call, target = targetOf(call.resource)) =>
      draftFrom(target, undefined, (await call.body()).value, unvalidated) as Draft<never>;
    const deps = { authorizer };
    return new Map<string, CallHandler>([
      [
        'authorization.k8s.io/selfsubjectaccessreviews',
        async call => created(await reviewSelfSubjectAccess(await bodyOf(call), call.context.user, deps)),
      ],
      [
        'authorization.k8s.io/subjectaccessreviews',
        async call => created(await reviewSubjectAccess(await bodyOf(call), deps)),
      ],
      [
        'authorization.k8s.io/localsubjectaccessreviews',
        async call => created(await reviewLocalSubjectAccess(await bodyOf(call), call.key.namespace ?? '', deps)),
      ],
      [
        'authorization.k8s.io/selfsubjectrulesreviews',
        async call => created(reviewSelfSubjectRules(await bodyOf(call), call.context.user, { resolver })),
      ],
      [
        'authentication.k8s.io/tokenreviews',
        async call => created(await reviewToken(await bodyOf(call), { tokens, apiAudiences })),
      ],
      [
        'authentication.k8s.io/selfsubjectreviews',
        async call => created(reviewSelf(await bodyOf(call), call.context.user, formatTime(clock.now()))),
      ],
      [
        '/serviceaccounts/token',
        async call => {
          if (call.verb !== 'create') throw methodNotSupported(call.resource, call.verb);
          const account = { namespace: call.key.namespace ?? '', name: call.key.name };
          const request = await bodyOf(call, tokenRequest);
          await admitCall(call, 'CREATE', request);
          const issuer = { ...tokenOptions, keys, issuer: issuers[0]!, apiAudiences, lookup, clock, random };
          return created(await issueServiceAccountToken(issuer, account, request));
        },
      ],
    ]);
  }

  const jwks: PathHandler = exchange => {
    const metadata = (contentType: string, document: object) => {
      onlyGet(exchange);
      exchange.respond(
        200,
        { 'content-type': contentType, 'cache-control': 'public, max-age=3600' },
        JSON.stringify(document),
      );
    };
    if (exchange.path === '/openid/v1/jwks') metadata('application/jwk-set+json', keys.jsonWebKeySet());
    else if (exchange.path === '/.well-known/openid-configuration')
      metadata('application/json', openidConfiguration(issuers[0]!, jwksUri, keys));
    else return false;
    return true;
  };

  function authenticate(exchange: Pick<Exchange, 'headers' | 'peer' | 'path'>): UserInfo | Promise<UserInfo> {
    const { headers } = exchange;
    let peerCertificate: PeerCertificate | undefined;
    try {
      peerCertificate = peerOf(exchange);
    } catch (error) {
      // A certificate nobody knows: a token may still do.
      if (!headers.authorization) {
        log.info('refused a client certificate', { error });
        throw unauthorized();
      }
    }
    const bearerToken = bearerTokenOf(headers.authorization);
    const request: AuthnRequest = {
      headers,
      path: exchange.path,
      ...(bearerToken ? { bearerToken } : {}),
      ...(peerCertificate ? { peerCertificate } : {}),
    };
    return requests.authenticate(request);
  }

  return {
    authorizer,
    rules: rbac,
    calls,
    paths: [jwks],
    authenticate: exchange => (attempts ? attempts.measure(() => authenticate(exchange)) : authenticate(exchange)),
    impersonate: ({ headers, query }, user, info) =>
      impersonated({
        headers,
        user,
        authorizer,
        ...(constrained ? { action: () => attributesOf(info, user, query) } : {}),
        onDecided: countImpersonation,
      }),
    async bootstrap(signal) {
      await reconcile(client, signal, bootstrapPolicy(context.featureEnabled));
      await startTracking(client, clock);
    },
  };
}

interface ForeignTokens {
  readonly context: ApiContext;
  readonly options: ApiServerOptions;
  readonly issuers: readonly string[];
  readonly apiAudiences: readonly string[];
  readonly webhooks: WebhookClient;
  readonly metrics: Metrics | undefined;
}

/** Tokens that others issued. */
function foreignTokens(deps: ForeignTokens): TokenAuthenticator[] {
  const { context, options, issuers, apiAudiences, webhooks, metrics } = deps;
  const { clock, log } = context;
  const { jwt = [], file, webhook } = options.authentication ?? {};
  const tokens: TokenAuthenticator[] = [];
  if (jwt.length || file) {
    const make = (from: typeof jwt) => oidcAuthenticator({ jwt: from, ownIssuers: issuers, apiAudiences, clock });
    let oidc = make(jwt);
    tokens.push({ authenticateToken: (token, audiences) => oidc.authenticateToken(token, audiences) });
    const apply = (text: string) => {
      oidc = make(readAuthenticationConfiguration(text, issuers).jwt);
    };
    if (file) {
      const { path, text } = file;
      const followed = new FollowedFile({ file: path, text, apply, name: 'authentication', clock, log, metrics });
      context.onShutdown.add(() => followed.stop());
    }
  }
  if (webhook) {
    const access = 'kubeconfig' in webhook ? accessTo(readKubeconfig(webhook.kubeconfig), clock) : undefined;
    const post = (body: unknown, timeoutMs: number) =>
      'server' in webhook ? webhooks.post(webhook.server, body, timeoutMs) : webhooks.postTo(access!, body, timeoutMs);
    const { version, cacheMs } = webhook;
    const counts = metrics && new TokenCacheCounts(metrics, clock);
    tokens.push(webhookTokenAuthenticator({ post, version, cacheMs, apiAudiences, clock, counts }));
  }
  return tokens;
}

function remember(verify: () => PeerCertificate): PeerCertificate | CredentialError {
  try {
    return verify();
  } catch (error) {
    if (error instanceof CredentialError) return error;
    throw error;
  }
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
