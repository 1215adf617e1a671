// What the flags of kube-apiserver about who may do what come to, as options of the server.
import { readFileSync } from 'node:fs';
import { parseDuration } from '../api/scalar.ts';
import { readAuthenticationConfiguration } from '../apiserver/authn/configuration.ts';
import type { FrontProxyOptions } from '../apiserver/authn/front-proxy.ts';
import { compileAuthenticators, type JwtAuthenticator } from '../apiserver/authn/oidc/configuration.ts';
import { algorithmNames } from '../apiserver/authn/oidc/issuer-keys.ts';
import { defaultIssuer } from '../apiserver/authn/user.ts';
import {
  type AuthorizationConfiguration,
  authorizerTypes,
  planAuthorizers,
  readAuthorizationConfiguration,
} from '../apiserver/authz/configuration.ts';
import { readEncryptionConfiguration } from '../apiserver/encryption/configuration.ts';
import type { ApiServerOptions } from '../apiserver/server-options.ts';
import { messageOf } from '../base/assert.ts';
import { quote } from '../base/quote.ts';
import type { ApiServerFiles } from './api-server-fields.ts';

type AccessOptions = Pick<
  ApiServerOptions,
  'authentication' | 'authorization' | 'encryption' | 'serviceAccountTokens' | 'tokenFile'
>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Throws an error that names the file or the flags that do not go together. */
export function readAccessFiles(files: ApiServerFiles): AccessOptions {
  const options: Writable<AccessOptions> = {};
  const tokens = serviceAccountTokens(files);
  if (tokens) options.serviceAccountTokens = tokens;
  const authentication = authenticationOf(files);
  if (Object.keys(authentication).length) options.authentication = authentication;
  const authorization = authorizationOf(files);
  if (authorization) options.authorization = authorization;
  if (files.tokenAuthFile) options.tokenFile = readFile(files.tokenAuthFile, text => text);
  const { encryptionProviderConfig: encryption, encryptionProviderConfigAutomaticReload: follow } = files;
  if (encryption)
    options.encryption = readFile(encryption, text => ({
      plan: readEncryptionConfiguration(text),
      source: encryption,
      ...(follow ? { file: { path: encryption, text } } : {}),
    }));
  else if (follow)
    throw new Error('encryptionProviderConfigAutomaticReload: encryptionProviderConfig must be set with it');
  return options;
}

function readFile<T>(file: string, make: (text: string) => T): T {
  try {
    return make(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

const msOf = (duration: string) => parseDuration(duration) / 1e6;

function serviceAccountTokens(files: ApiServerFiles): ApiServerOptions['serviceAccountTokens'] {
  const { serviceAccountIssuer, serviceAccountJwksUri, serviceAccountKeyFile, apiAudiences } = files;
  const { serviceAccountMaxTokenExpiration: longest, serviceAccountExtendTokenExpiration: extend } = files;
  const seconds = longest ? msOf(longest) / 1000 : 0;
  if (longest && (seconds < 3600 || seconds > 2 ** 32))
    throw new Error('the service-account-max-token-expiration must be between 1 hour and 2^32 seconds');
  if (serviceAccountJwksUri && !serviceAccountJwksUri.startsWith('https:'))
    throw new Error(`service-account-jwks-uri requires https scheme, parsed as: ${serviceAccountJwksUri}`);
  const { serviceAccountSigningEndpoint: signingEndpoint } = files;
  if (signingEndpoint && serviceAccountKeyFile?.length)
    throw new Error(
      "can't set `--service-account-signing-key-file` and/or `--service-account-key-file` with `--service-account-signing-endpoint` (They are mutually exclusive)",
    );
  if (signingEndpoint && !/^[@/]./.test(signingEndpoint))
    throw new Error(
      `invalid value ${quote(signingEndpoint)} for service-account-signing-endpoint: want the absolute path of a socket, or @name of one in the abstract namespace`,
    );
  const options = {
    ...(signingEndpoint ? { signingEndpoint } : {}),
    ...(serviceAccountIssuer?.length ? { issuers: serviceAccountIssuer } : {}),
    ...(apiAudiences?.length ? { apiAudiences } : {}),
    ...(serviceAccountJwksUri ? { jwksUri: serviceAccountJwksUri } : {}),
    ...(serviceAccountKeyFile?.length ? { publicKeys: serviceAccountKeyFile.map(f => readFile(f, t => t)) } : {}),
    ...(seconds ? { maxExpirationSeconds: seconds } : {}),
    ...(extend === undefined ? {} : { extendExpiration: extend }),
  };
  return Object.keys(options).length ? options : undefined;
}

function authenticationOf(files: ApiServerFiles): NonNullable<ApiServerOptions['authentication']> {
  const { authenticationConfig, anonymousAuth, serviceAccountIssuer = [defaultIssuer] } = files;
  const made: Writable<NonNullable<ApiServerOptions['authentication']>> = {};
  if (anonymousAuth !== undefined) made.anonymousPaths = anonymousAuth ? ['*'] : [];
  if (authenticationConfig)
    readFile(authenticationConfig, text => {
      const { jwt, anonymousPaths } = readAuthenticationConfiguration(text, serviceAccountIssuer);
      if (anonymousPaths && anonymousAuth !== undefined)
        throw new Error('anonymous is set here: the flag anonymous-auth cannot be set, too');
      Object.assign(made, { jwt, file: { path: authenticationConfig, text } }, anonymousPaths && { anonymousPaths });
    });
  const oidc = oidcOf(files);
  if (oidc && authenticationConfig)
    throw new Error('authentication-config file and oidc-* flags are mutually exclusive');
  if (oidc) {
    compileAuthenticators([oidc], serviceAccountIssuer);
    made.jwt = [oidc];
  }
  const { authenticationTokenWebhookConfigFile: kubeconfig, authenticationTokenWebhookCacheTtl: ttl } = files;
  if (kubeconfig)
    made.webhook = {
      kubeconfig,
      version: versionOf(files.authenticationTokenWebhookVersion, 'authentication-token-webhook-version'),
      ...(ttl ? { cacheMs: msOf(ttl) } : {}),
    };
  const proxy = frontProxyOf(files);
  if (proxy) made.requestHeader = proxy;
  return made;
}

/** The authenticator that the flags of before AuthenticationConfiguration are short for. */
function oidcOf(files: ApiServerFiles): JwtAuthenticator | undefined {
  const { oidcIssuerUrl: url, oidcClientId: client, oidcCaFile, oidcRequiredClaim: required = [] } = files;
  const { oidcUsernameClaim: claim = 'sub', oidcUsernamePrefix: given, oidcGroupsClaim: groups } = files;
  const { oidcSigningAlgs: algorithms } = files;
  if (!url !== !client)
    throw new Error('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set');
  if (!url || !client) {
    const others = [files.oidcUsernameClaim, files.oidcGroupsPrefix, required[0], algorithms?.[0]];
    if ([oidcCaFile, given, groups, ...others].some(value => value !== undefined))
      throw new Error('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set');
    return undefined;
  }
  const unknown = algorithms?.find(name => !algorithmNames.includes(name));
  if (unknown !== undefined) throw new Error(`oidc: unsupported signing alg: ${JSON.stringify(unknown)}`);
  // Names of an issuer's users are kept apart from others', but for addresses of mail.
  const prefix = given === '-' ? '' : (given ?? (claim === 'email' ? '' : `${url}#`));
  return {
    issuer: {
      url,
      audiences: [client],
      ...(oidcCaFile ? { certificateAuthority: readFile(oidcCaFile, text => text) } : {}),
    },
    claimMappings: {
      username: { claim, prefix },
      ...(groups ? { groups: { claim: groups, prefix: files.oidcGroupsPrefix ?? '' } } : {}),
    },
    claimValidationRules: required.map(text => {
      const at = text.indexOf('=');
      if (at < 0) throw new Error(`oidc-required-claim: ${text} must be formatted as key=value`);
      return { claim: text.slice(0, at), requiredValue: text.slice(at + 1) };
    }),
    signingAlgorithms: algorithms?.length ? algorithms : ['RS256'],
  };
}

// As kube-apiserver: what is not said is the old version.
function versionOf(version: string | undefined, flag: string): 'v1' | 'v1beta1' {
  if (version === undefined || version === 'v1beta1') return 'v1beta1';
  if (version !== 'v1') throw new Error(`${flag}: unsupported version ${JSON.stringify(version)}: want v1 or v1beta1`);
  return 'v1';
}

function frontProxyOf(files: ApiServerFiles): FrontProxyOptions | undefined {
  const { requestheaderAllowedNames: allowedNames, requestheaderUsernameHeaders: usernameHeaders } = files;
  const { requestheaderUidHeaders: uidHeaders, requestheaderGroupHeaders: groupHeaders } = files;
  const { requestheaderExtraHeadersPrefix: extraHeadersPrefixes } = files;
  if (!allowedNames && !usernameHeaders && !uidHeaders && !groupHeaders && !extraHeadersPrefixes) return undefined;
  return {
    allowedNames: allowedNames ?? ['front-proxy-client'],
    ...(usernameHeaders ? { usernameHeaders } : {}),
    ...(uidHeaders ? { uidHeaders } : {}),
    ...(groupHeaders ? { groupHeaders } : {}),
    ...(extraHeadersPrefixes ? { extraHeadersPrefixes } : {}),
  };
}

function authorizationOf(files: ApiServerFiles): ApiServerOptions['authorization'] {
  const { authorizationConfig: path, authorizationMode, authorizationWebhookConfigFile: kubeconfig } = files;
  const policies = files.authorizationPolicyFile;
  const abac = policies ? { abacPolicies: readFile(policies, text => text) } : {};
  if (path) {
    if (authorizationMode || kubeconfig)
      throw new Error(
        'authorization-config can not be specified when authorization-mode or any authorization-webhook-* flag is set',
      );
    return readFile(path, text => ({ plan: readAuthorizationConfiguration(text), file: { path, text }, ...abac }));
  }
  const modes = authorizationMode ?? (kubeconfig ? ['Node', 'RBAC'] : undefined);
  if (!modes) return undefined;
  for (const mode of modes)
    if (!authorizerTypes.includes(mode as never))
      throw new Error(`authorization-mode ${JSON.stringify(mode)} is not a valid mode`);
  if (new Set(modes).size < modes.length)
    throw new Error(
      `authorization-mode [${modes.map(m => JSON.stringify(m)).join(' ')}] has mode specified more than once`,
    );
  if (modes.includes('Webhook') && !kubeconfig)
    throw new Error("authorization-mode Webhook's authorization config file not passed");
  if (kubeconfig && !modes.includes('Webhook'))
    throw new Error('cannot specify --authorization-webhook-config-file without mode Webhook');
  if (modes.includes('ABAC') !== (policies !== undefined))
    throw new Error(
      policies
        ? 'cannot specify --authorization-policy-file without mode ABAC'
        : "authorization-mode ABAC's authorization policy file not passed",
    );
  return { plan: planAuthorizers(configurationOf(modes, files)), ...abac };
}

const flagTimeout = '30s';

/** The configuration that the flags are short for. */
function configurationOf(modes: readonly string[], files: ApiServerFiles): AuthorizationConfiguration {
  const { authorizationWebhookCacheAuthorizedTtl: authorized, authorizationWebhookCacheUnauthorizedTtl: not } = files;
  const never = (ttl: string | undefined) => ttl !== undefined && msOf(ttl) === 0;
  const webhook = {
    ...(authorized && !never(authorized) ? { authorizedTTL: authorized } : {}),
    ...(not && !never(not) ? { unauthorizedTTL: not } : {}),
    cacheAuthorizedRequests: !never(authorized),
    cacheUnauthorizedRequests: !never(not),
    timeout: flagTimeout,
    subjectAccessReviewVersion: versionOf(files.authorizationWebhookVersion, 'authorization-webhook-version'),
    failurePolicy: 'NoOpinion',
    connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: files.authorizationWebhookConfigFile ?? '' },
  };
  return {
    authorizers: modes.map(type => ({
      type,
      name: type === 'Webhook' ? 'default' : type.toLowerCase(),
      ...(type === 'Webhook' ? { webhook } : {}),
    })),
  };
}
