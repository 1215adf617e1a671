// Plugins that know credentials of registries: their configuration, what they are asked and what they answer.
import { parseDuration } from '../../api/scalar.ts';
import { type Keyring, matchesPattern, type SecretCoordinates } from './image-name.ts';

export interface CredentialProvider {
  /** Of its program, too. */
  readonly name: string;
  /** Registries, perhaps with wildcards, ports and paths, that it is asked about. */
  readonly matchImages: readonly string[];
  readonly defaultCacheMs: number;
  /** Of what it is asked and answers. */
  readonly apiVersion: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  /** It is given a token of the pod's service account. */
  readonly tokens?: TokenAttributes;
}

export interface TokenAttributes {
  readonly audience: string;
  /** What it answers is good for a token, or for all pods of the service account. */
  readonly cacheType: 'Token' | 'ServiceAccount';
  /** It is asked for pods that have a service account only. */
  readonly requireAccount: boolean;
  /** Annotations that the service account must have, and others that it is told of. */
  readonly requiredKeys: readonly string[];
  readonly optionalKeys: readonly string[];
}

/** On whose behalf a plugin is asked. */
export interface AskingAccount {
  readonly coordinates: SecretCoordinates;
  readonly token: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export type CacheKeyType = 'Image' | 'Registry' | 'Global';

export interface ProviderAnswer {
  readonly keyring: Keyring;
  readonly cacheKeyType: CacheKeyType;
  /** 0: not to be kept. */
  readonly cacheMs: number;
}

const configVersions = ['v1', 'v1beta1', 'v1alpha1'].map(v => `kubelet.config.k8s.io/${v}`);
const versions = ['v1', 'v1beta1', 'v1alpha1'].map(v => `credentialprovider.kubelet.k8s.io/${v}`);
const cacheKeyTypes: readonly unknown[] = ['Image', 'Registry', 'Global'];

type Plain = Readonly<Record<string, unknown>>;
const isMap = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);
const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(v => typeof v === 'string');
const quoted = (value: unknown) => JSON.stringify(value);

function checked(value: unknown, at: string, known: readonly string[]): Plain {
  if (!isMap(value)) throw new Error(`${at}: want a mapping`);
  const unknown = Object.keys(value).filter(name => !known.includes(name));
  if (unknown.length)
    throw new Error(`strict decoding error: ${unknown.map(n => `unknown field ${quoted(n)}`).join(', ')}`);
  return value;
}

/** Of a CredentialProviderConfig. Throws what is wrong with it. */
export function credentialProviders(document: unknown): readonly CredentialProvider[] {
  const { kind, apiVersion, providers } = checked(document, 'configuration', ['kind', 'apiVersion', 'providers']);
  if (kind !== 'CredentialProviderConfig' || !configVersions.includes(String(apiVersion)))
    throw new Error(`no kind ${quoted(kind)} is registered for version ${quoted(apiVersion)}`);
  if (!Array.isArray(providers) || providers.length === 0)
    throw new Error('providers: Required value: at least 1 item in plugins is required');
  const seen = new Set<string>();
  return providers.map((value, i) => {
    const provider = providerOf(value, `providers[${i}]`);
    if (provider.tokens && apiVersion !== configVersions[0])
      throw new Error(`providers[${i}].tokenAttributes: Forbidden: only with ${configVersions[0]}`);
    if (seen.has(provider.name)) throw new Error(`providers[${i}].name: Duplicate value: ${quoted(provider.name)}`);
    seen.add(provider.name);
    return provider;
  });
}

const providerFields = ['name', 'matchImages', 'defaultCacheDuration', 'apiVersion', 'args', 'env', 'tokenAttributes'];

function providerOf(value: unknown, at: string): CredentialProvider {
  const { name, matchImages, defaultCacheDuration, apiVersion, args, env, tokenAttributes } = checked(
    value,
    at,
    providerFields,
  );
  if (typeof name !== 'string' || !/^[^/\s]+$/.test(name) || name === '.' || name === '..')
    throw new Error(
      `${at}.name: Invalid value: ${quoted(name)}: must be the name of a program, without a path or spaces`,
    );
  if (!isTexts(matchImages) || matchImages.length === 0)
    throw new Error(`${at}.matchImages: Required value: at least 1 item in matchImages is required`);
  if (typeof defaultCacheDuration !== 'string') throw new Error(`${at}.defaultCacheDuration: Required value`);
  const defaultCacheMs = parseDuration(defaultCacheDuration) / 1e6;
  if (defaultCacheMs < 0)
    throw new Error(
      `${at}.defaultCacheDuration: Invalid value: ${quoted(defaultCacheDuration)}: must be greater than or equal to 0`,
    );
  if (!versions.includes(String(apiVersion)))
    throw new Error(
      `${at}.apiVersion: Unsupported value: ${quoted(apiVersion)}: supported values: ${versions.map(quoted).join(', ')}`,
    );
  if (args !== undefined && args !== null && !isTexts(args)) throw new Error(`${at}.args: want a list of strings`);
  return {
    name,
    matchImages,
    defaultCacheMs,
    apiVersion: String(apiVersion),
    args: args ?? [],
    env: envOf(env, `${at}.env`),
    ...(isMap(tokenAttributes) ? { tokens: tokensOf(tokenAttributes, `${at}.tokenAttributes`, apiVersion) } : {}),
  };
}

const tokenFields = [
  'serviceAccountTokenAudience',
  'cacheType',
  'requireServiceAccount',
  'requiredServiceAccountAnnotationKeys',
  'optionalServiceAccountAnnotationKeys',
];

function tokensOf(value: Plain, at: string, apiVersion: unknown): TokenAttributes {
  const given = checked(value, at, tokenFields);
  const { serviceAccountTokenAudience: audience, cacheType, requireServiceAccount: requireAccount } = given;
  const keys = (name: string): readonly string[] => {
    const list = given[name] ?? [];
    if (!isTexts(list) || new Set(list).size < list.length) throw new Error(`${at}.${name}: want different strings`);
    return list;
  };
  if (apiVersion !== versions[0]) throw new Error(`${at}: Forbidden: only with ${versions[0]}`);
  if (typeof audience !== 'string' || !audience) throw new Error(`${at}.serviceAccountTokenAudience: Required value`);
  if (cacheType !== 'Token' && cacheType !== 'ServiceAccount')
    throw new Error(
      `${at}.cacheType: Unsupported value: ${quoted(cacheType)}: supported values: "ServiceAccount", "Token"`,
    );
  if (typeof requireAccount !== 'boolean') throw new Error(`${at}.requireServiceAccount: Required value`);
  const requiredKeys = keys('requiredServiceAccountAnnotationKeys');
  const optionalKeys = keys('optionalServiceAccountAnnotationKeys');
  if (requiredKeys.length && !requireAccount)
    throw new Error(`${at}.requiredServiceAccountAnnotationKeys: Forbidden: only where requireServiceAccount is true`);
  const both = requiredKeys.find(key => optionalKeys.includes(key));
  if (both)
    throw new Error(`${at}: Invalid value: ${quoted(both)}: annotation keys cannot be both required and optional`);
  return { audience, cacheType, requireAccount, requiredKeys, optionalKeys };
}

function envOf(value: unknown, at: string): CredentialProvider['env'] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`${at}: want a list`);
  return value.map((item, i) => {
    const { name, value = '' } = checked(item, `${at}[${i}]`, ['name', 'value']);
    if (typeof name !== 'string' || typeof value !== 'string') throw new Error(`${at}[${i}]: want a name and a value`);
    return { name, value };
  });
}

/** Whether it is asked about an image; `repository` with its registry, without tag and digest. */
export const isAsked = ({ matchImages }: CredentialProvider, repository: string): boolean =>
  matchImages.some(pattern => matchesPattern(pattern, repository));

export const requestOf = ({ apiVersion }: CredentialProvider, repository: string, account?: AskingAccount): string =>
  JSON.stringify({
    ...{ kind: 'CredentialProviderRequest', apiVersion, image: repository },
    ...(account ? { serviceAccountToken: account.token, serviceAccountAnnotations: account.annotations } : {}),
  });

/** What of a service account makes another answer; '' without one. */
export function accountKey({ tokens }: CredentialProvider, account: AskingAccount | undefined): string {
  if (!account) return '';
  const { coordinates, annotations, token } = account;
  return JSON.stringify([coordinates, annotations, tokens?.cacheType === 'Token' ? token : '']);
}

/** Of what it wrote. Throws what is wrong with it. */
export function answerOf({ apiVersion, defaultCacheMs }: CredentialProvider, text: string): ProviderAnswer {
  const answer: unknown = JSON.parse(text);
  if (!isMap(answer) || answer.kind !== 'CredentialProviderResponse')
    throw new Error('it is no CredentialProviderResponse');
  if (answer.apiVersion !== apiVersion)
    throw new Error(
      `apiVersion from credential plugin response did not match expected apiVersion:${apiVersion}, actual apiVersion:${answer.apiVersion}`,
    );
  const { cacheKeyType, cacheDuration, auth } = answer;
  if (!cacheKeyTypes.includes(cacheKeyType))
    throw new Error(`credential provider plugin did not return a valid cacheKeyType: ${quoted(cacheKeyType)}`);
  const entries = Object.entries(isMap(auth) ? auth : {}).map(([pattern, value]) => {
    const { username = '', password = '' } = isMap(value) ? value : {};
    return [pattern, { username: String(username), password: String(password) }] as const;
  });
  return {
    keyring: { entries },
    cacheKeyType: cacheKeyType as CacheKeyType,
    cacheMs: typeof cacheDuration === 'string' ? parseDuration(cacheDuration) / 1e6 : defaultCacheMs,
  };
}

/** What an answer is kept under: an image, all of its registry, or everything. */
export function cacheKey(type: CacheKeyType, repository: string): string {
  return type === 'Image' ? repository : type === 'Registry' ? `${repository.split('/')[0]}/` : '';
}

/** In which order kept answers are looked for. */
export const cacheKeys = (repository: string): readonly string[] =>
  (['Image', 'Registry', 'Global'] as const).map(type => cacheKey(type, repository));
