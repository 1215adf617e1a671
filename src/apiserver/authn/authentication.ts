// Who somebody is: every way to authenticate, put together, and what signs and checks service accounts' tokens.

import { unauthorized } from '../../api/status.ts';
import type { Node, Pod, Secret, ServiceAccount } from '../../api/type/core-v1.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Client } from '../../client/client.ts';
import { accessTo, readKubeconfig } from '../../client/kubeconfig.ts';
import { FollowedFile } from '../configuration/followed-file.ts';
import type { ApiContext } from '../context.ts';
import type { WebhookClient } from '../extension/webhook-client.ts';
import type { PathHandler } from '../handler.ts';
import { distinctHeaders } from '../http/distinct-headers.ts';
import type { Exchange } from '../http/exchange.ts';
import { onlyGet } from '../respond.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { bootstrapTokenAuthenticator } from './bootstrap-token.ts';
import { clientCertificateAuthenticator, peerVerifier, type VerifyPeer } from './client-certificate.ts';
import { readAuthenticationConfiguration } from './configuration.ts';
import { ExternalSigner } from './external-signer.ts';
import { frontProxyAuthenticator } from './front-proxy.ts';
import { openidConfiguration, TokenKeys, type TokenSigner } from './jws.ts';
import { legacyTokenUse } from './legacy-token.ts';
import { AuthenticationMetrics, certificateLifetimes, TokenCacheCounts } from './metrics.ts';
import { JwksFetches } from './oidc/jwks-fetches.ts';
import { oidcAuthenticator } from './oidc/oidc.ts';
import { HolderError, type ServiceAccountLookup, ServiceAccountTokenAuthenticator } from './service-account-token.ts';
import { parseTokenFile, tokenFileAuthenticator } from './token-file.ts';
import type { TokenIssuerOptions } from './token-request.ts';
import { bearerTokenAuthenticator, bearerTokenOf, RequestAuthenticator, unionTokenAuthenticator } from './union.ts';
import {
  type AuthnRequest,
  CredentialError,
  defaultIssuer,
  type PeerCertificate,
  type TokenAuthenticator,
  type UserInfo,
} from './user.ts';
import { webhookTokenAuthenticator } from './webhook-token.ts';

export type Credentials = Pick<Exchange, 'headers' | 'rawHeaders' | 'peer' | 'path'>;

export interface Authentication {
  /** Throws 401. */
  authenticate(credentials: Credentials): UserInfo | Promise<UserInfo>;
  /** For reviews of tokens. */
  readonly tokens: TokenAuthenticator;
  readonly apiAudiences: readonly string[];
  /** Rejects when what is outside of this process cannot be used. */
  start(): Promise<void>;
  /** Signs tokens of service accounts. */
  readonly issuer: () => TokenIssuerOptions;
  /** The keys that check them, for others. */
  readonly discovery: PathHandler;
}

export interface AuthenticationDeps {
  readonly context: ApiContext;
  readonly client: Client;
  readonly options: ApiServerOptions;
  readonly webhooks: WebhookClient;
  readonly metrics: Metrics | undefined;
}

export function createAuthentication(deps: AuthenticationDeps): Authentication {
  const { context, options, metrics } = deps;
  const { clock, random, log } = context;
  const {
    issuers = [defaultIssuer],
    jwksUri = `${issuers[0]}/openid/v1/jwks`,
    ...tokenOptions
  } = options.serviceAccountTokens ?? {};
  const apiAudiences = tokenOptions.apiAudiences ?? issuers;
  const { signingEndpoint: endpoint } = tokenOptions;
  const external = endpoint ? new ExternalSigner({ endpoint, clock, log, metrics }) : undefined;
  if (external) context.onShutdown.add(() => external.stop());
  const keys: TokenSigner =
    external ??
    new TokenKeys({
      signingKeyPem: options.serviceAccountKeys.privateKey,
      publicKeyPems: [...options.serviceAccountKeys.publicKeys, ...(tokenOptions.publicKeys ?? [])],
    });
  const lookup = cachedLookup(context);
  const bases = { ...deps, issuers, apiAudiences, keys, lookup };
  const tokens = unionTokenAuthenticator([
    ...(options.tokenFile ? [tokenFileAuthenticator(parseTokenFile(options.tokenFile), apiAudiences)] : []),
    ownTokens(bases),
    bootstrapTokenAuthenticator({ secret: lookup.secret, apiAudiences, clock }),
    ...foreignTokens(bases),
  ]);
  const authenticate = requestAuthentication(deps, tokens, apiAudiences);
  const attempts = metrics && new AuthenticationMetrics(metrics, clock);
  return {
    authenticate: request => (attempts ? attempts.measure(() => authenticate(request)) : authenticate(request)),
    tokens,
    apiAudiences,
    issuer: () => ({
      ...{ ...tokenOptions, keys, issuer: issuers[0]!, apiAudiences, lookup, clock, random },
      ...lifetimesOf(external, tokenOptions.maxExpirationSeconds),
    }),
    async start() {
      await external?.start();
      const { maxExpirationSeconds: longest = 0 } = tokenOptions;
      if (external && longest > external.maxExpirationSeconds)
        throw new Error(
          `service-account-max-token-expiration cannot be set longer than the token expiration supported by service-account-signing-endpoint: ${longest} > ${external.maxExpirationSeconds} seconds`,
        );
    },
    discovery: keyDiscovery(keys, issuers[0]!, jwksUri),
  };
}

/** Known only once the signer has been asked. */
function lifetimesOf(
  external: ExternalSigner | undefined,
  asked: number | undefined,
): Partial<Pick<TokenIssuerOptions, 'maxExpirationSeconds' | 'longestSeconds'>> {
  if (!external) return {};
  const { maxExpirationSeconds: longestSeconds } = external;
  return { maxExpirationSeconds: asked || longestSeconds, longestSeconds };
}

function cachedLookup({ registries }: ApiContext): ServiceAccountLookup {
  const cached = <T>(resource: string, key: string) =>
    registries.get(`/${resource}`)?.cache.get(key)?.object as unknown as T | undefined;
  return {
    serviceAccount: (namespace, name) => cached<ServiceAccount>('serviceaccounts', `${namespace}/${name}`),
    secret: (namespace, name) => cached<Secret>('secrets', `${namespace}/${name}`),
    pod: (namespace, name) => cached<Pod>('pods', `${namespace}/${name}`),
    node: name => cached<Node>('nodes', name),
  };
}

interface Bases extends AuthenticationDeps {
  readonly issuers: readonly string[];
  readonly apiAudiences: readonly string[];
  readonly keys: TokenSigner;
  readonly lookup: ServiceAccountLookup;
}

/** Tokens of service accounts. */
function ownTokens({ context, client, metrics, ...bases }: Bases): TokenAuthenticator {
  const { clock, log } = context;
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
  const { keys, issuers, apiAudiences, lookup } = bases;
  const own = new ServiceAccountTokenAuthenticator({
    ...{ keys, issuers, apiAudiences, lookup, clock },
    onStaleToken: () => void used.stale++,
    onValidToken: () => void used.valid++,
    onLegacyToken(secret) {
      used.legacy++;
      noteLegacy(secret);
    },
  });
  return {
    authenticateToken(token, audiences) {
      try {
        return own.authenticateToken(token, audiences);
      } catch (error) {
        // Another server may have made it just now.
        const behind = error instanceof HolderError ? context.dispatcher.freshen() : undefined;
        if (!behind) throw error;
        return behind.then(() => own.authenticateToken(token, audiences));
      }
    },
  };
}

/** Tokens that others issued. */
function foreignTokens(deps: Bases): TokenAuthenticator[] {
  const { context, options, issuers, apiAudiences, webhooks, metrics } = deps;
  const { clock, log } = context;
  const egress = context.featureEnabled('StructuredAuthenticationConfigurationEgressSelector') ? context.egress : {};
  const { jwt = [], file, webhook } = options.authentication ?? {};
  const tokens: TokenAuthenticator[] = [];
  if (jwt.length || file) {
    const measured = metrics && context.featureEnabled('StructuredAuthenticationConfigurationJWKSMetrics');
    const fetches = measured ? new JwksFetches(metrics, clock) : undefined;
    const make = (from: typeof jwt) =>
      oidcAuthenticator({ jwt: from, ownIssuers: issuers, apiAudiences, clock, log, fetches, egress });
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

/** By whatever a request has: headers of a front proxy, a certificate, a token. */
function requestAuthentication(
  { context, options, metrics }: AuthenticationDeps,
  tokens: TokenAuthenticator,
  apiAudiences: readonly string[],
): (credentials: Credentials) => UserInfo | Promise<UserInfo> {
  const { clock, log } = context;
  const { requestHeader = { allowedNames: ['front-proxy-client'] }, anonymousPaths } = options.authentication ?? {};
  const requests = new RequestAuthenticator({
    members: [
      frontProxyAuthenticator(requestHeader),
      clientCertificateAuthenticator(clock, metrics && certificateLifetimes(metrics)),
      bearerTokenAuthenticator(tokens, apiAudiences),
    ],
    ...(anonymousPaths ? { anonymousPaths } : {}),
    onRefused: error => log.info('refused a credential', { error }),
  });
  const { certificates } = context;
  const verifier = () => {
    const { clientCa: clientCaPem, frontProxyCa: frontProxyCaPem } = certificates.current;
    return peerVerifier({ clientCaPem, ...(frontProxyCaPem ? { frontProxyCaPem } : {}), clock });
  };
  let verify = verifier();
  certificates.onChange(() => {
    verify = verifier();
  });
  return ({ headers, rawHeaders, peer, path }) => {
    let peerCertificate: PeerCertificate | undefined;
    try {
      peerCertificate = certificateOf(peer, verify);
    } catch (error) {
      // A certificate nobody knows: a token may still do.
      if (!headers.authorization) {
        log.info('refused a client certificate', { error });
        throw unauthorized();
      }
    }
    const bearerToken = bearerTokenOf(headers.authorization);
    const request: AuthnRequest = {
      // A proxy sends a line for each group, and names of groups may hold commas.
      headers: peerCertificate?.authority === 'frontProxy' ? distinctHeaders(rawHeaders) : headers,
      path,
      ...(bearerToken ? { bearerToken } : {}),
      ...(peerCertificate ? { peerCertificate } : {}),
    };
    return requests.authenticate(request);
  };
}

interface Verified {
  readonly by: VerifyPeer;
  readonly found: PeerCertificate | CredentialError | undefined;
}

/** A connection's certificate is checked once, and again when other authorities are believed. */
function certificateOf(peer: Exchange['peer'], verify: VerifyPeer): PeerCertificate | undefined {
  let verified = peer.memo as Verified | undefined;
  if (verified?.by !== verify) {
    const { certificate } = peer;
    const found = certificate && remember(() => verify(certificate, peer.intermediates));
    verified = { by: verify, found };
    peer.memo = verified;
  }
  if (verified.found instanceof CredentialError) throw verified.found;
  return verified.found;
}

function remember(verify: () => PeerCertificate): PeerCertificate | CredentialError {
  try {
    return verify();
  } catch (error) {
    if (error instanceof CredentialError) return error;
    throw error;
  }
}

function keyDiscovery(keys: TokenSigner, issuer: string, jwksUri: string): PathHandler {
  return exchange => {
    const metadata = (contentType: string, document: object) => {
      onlyGet(exchange, [contentType]);
      exchange.respond(
        200,
        { 'content-type': contentType, 'cache-control': `public, max-age=${keys.maxAgeSeconds}` },
        JSON.stringify(document),
      );
    };
    if (exchange.path === '/openid/v1/jwks') metadata('application/jwk-set+json', keys.jsonWebKeySet());
    else if (exchange.path === '/.well-known/openid-configuration')
      metadata('application/json', openidConfiguration(issuer, jwksUri, keys));
    else return false;
    return true;
  };
}
