// EncryptionConfiguration (apiserver.config.k8s.io): read and checked, with the messages of kube-apiserver.
import { FieldErrors, type FieldPath, path } from '../../api/field-error.ts';
import { formatDuration, parseDuration } from '../../api/scalar.ts';
import { messageOf } from '../../base/assert.ts';
import { parseGoUrl } from '../../base/go-url.ts';
import { quote } from '../../base/quote.ts';
import { readDocument, throwErrors } from '../configuration/document.ts';

interface KeysConfiguration {
  readonly keys?: readonly { readonly name?: string; readonly secret?: string }[];
}

interface KmsConfiguration {
  readonly apiVersion?: string;
  readonly name?: string;
  readonly cachesize?: number;
  readonly endpoint?: string;
  readonly timeout?: string;
}

interface ProviderConfiguration {
  readonly aesgcm?: KeysConfiguration;
  readonly aescbc?: KeysConfiguration;
  readonly secretbox?: KeysConfiguration;
  readonly identity?: object;
  readonly kms?: KmsConfiguration;
}

interface EncryptionConfiguration {
  readonly resources?: readonly {
    readonly resources?: readonly string[];
    readonly providers?: readonly ProviderConfiguration[];
  }[];
}

export type CipherName = 'aesgcm' | 'aescbc' | 'secretbox';

export type ProviderPlan =
  | {
      readonly type: CipherName;
      /** The first one encrypts. */
      readonly keys: readonly { readonly name: string; readonly secret: Buffer }[];
    }
  | { readonly type: 'identity' }
  | { readonly type: 'kms'; readonly name: string; readonly endpoint: string; readonly timeoutMs: number };

export interface EncryptionPlan {
  /** `secrets`, `deployments.apps`, `*.` (the core group), `*.apps`, `*.*`. */
  readonly resources: readonly string[];
  /** The first one encrypts. */
  readonly providers: readonly ProviderPlan[];
}

const keys = {
  go: 'AESConfiguration',
  fields: { keys: [{ go: 'Key', fields: { name: 'string', secret: 'string' } }] },
} as const;
const kms = {
  go: 'KMSConfiguration',
  fields: { apiVersion: 'string', name: 'string', cachesize: 'int32', endpoint: 'string', timeout: '*duration' },
} as const;
const document = {
  kind: 'EncryptionConfiguration',
  versions: ['v1'],
  fields: {
    resources: [
      {
        go: 'ResourceConfiguration',
        fields: {
          resources: ['string'],
          providers: [
            {
              go: 'ProviderConfiguration',
              fields: {
                aesgcm: keys,
                aescbc: keys,
                secretbox: { ...keys, go: 'SecretboxConfiguration' },
                identity: { go: 'IdentityConfiguration', fields: {} },
                kms,
              },
            },
          ],
        },
      },
    ],
  },
} as const;

const defaultTimeout = '3s';

/** Throws an error with every complaint in it. */
export function readEncryptionConfiguration(text: string): readonly EncryptionPlan[] {
  if (!text) throw new Error('encryption provider configuration file is empty');
  const { resources = [] } = readDocument<EncryptionConfiguration>(text, document);
  const errors = new FieldErrors();
  const at = path('resources');
  const required = (field: FieldPath, list: readonly unknown[]) => {
    if (!list.length) errors.required(field, `at least one ${field} is required`);
  };
  required(at, resources);
  const kmsNames = new Set<string>();
  const plans = resources.map((entry, i) => {
    const here = at.index(i);
    const { resources: names = [], providers = [] } = entry;
    required(here.child('resources'), names);
    checkResources(names, here.child('resources'), errors);
    required(here.child('providers'), providers);
    const planned = providers.flatMap((p, j) => planProvider(p, here.child('providers').index(j), kmsNames, errors));
    return { resources: names, providers: planned };
  });
  throwErrors(errors);
  checkDeprecated(plans);
  checkMasked(plans);
  return plans.map(({ resources: names, providers }) => ({
    resources: names,
    providers: providers.filter(p => p.type !== 'kms1'),
  }));
}

/** Told one by one, as what is behind it is never looked at. */
function checkDeprecated(plans: readonly { readonly providers: readonly Planned[] }[]): void {
  if (plans.some(({ providers }) => providers.some(p => p.type === 'kms1')))
    throw new Error(
      'error while building transformers: KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature.',
    );
}

function checkMasked(plans: readonly { readonly resources: readonly string[] }[]): void {
  const masking: string[] = [];
  for (const { resources } of plans) {
    for (const name of resources) {
      const mask = masking.find(m => masks(m, name));
      if (mask)
        throw new Error(
          `error while building transformers: resource ${quote(name.startsWith('*.') ? name : shortName(name))} is masked by earlier rule ${quote(mask)}`,
        );
    }
    masking.push(...resources.filter(r => r.startsWith('*.')));
  }
}

/** `secrets.` is `secrets`. */
const shortName = (name: string) => name.replace(/\.$/, '');
const groupOf = (name: string) => (name.includes('.') ? name.slice(name.indexOf('.') + 1) : '');
const masks = (pattern: string, name: string) => pattern === '*.*' || groupOf(pattern) === groupOf(name);

function checkResources(names: readonly string[], at: FieldPath, errors: FieldErrors): void {
  if (new Set(names.map(shortName)).size < names.length)
    errors.invalid(at, names, 'the same resource cannot be specified multiple times');
  if (overlap(names))
    errors.invalid(
      at,
      names,
      "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
    );
  for (const [i, name] of names.entries()) {
    const complaint = resourceComplaint(name);
    if (complaint) errors.invalid(at.index(i), name, complaint);
  }
}

function resourceComplaint(name: string): string {
  const resource = name.split('.', 1)[0]!;
  const group = groupOf(name);
  if (name !== name.toLowerCase()) return 'resource name should not contain capital letters';
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources";
  if (resource !== '*' && group === '*') return 'encrypting the same resource across groups is not supported';
  if (group === 'events.k8s.io')
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file";
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption";
  if (name === 'apiserveripinfo' || name === 'serviceipallocations' || name === 'servicenodeportallocations')
    return 'resources which do not have REST API/s cannot be encrypted';
  return '';
}

function overlap(names: readonly string[]): boolean {
  if (names.includes('*.*') && names.length > 1) return true;
  const whole = names.filter(n => n === '*' || n.startsWith('*.')).map(groupOf);
  return whole.some(group => names.filter(n => groupOf(n) === group).length > 1);
}

type Planned = ProviderPlan | { readonly type: 'kms1' };

// In the order Kubernetes looks for them.
const providerTypes = ['kms', 'aesgcm', 'aescbc', 'secretbox', 'identity'] as const;

function planProvider(
  given: ProviderConfiguration,
  at: FieldPath,
  kmsNames: Set<string>,
  errors: FieldErrors,
): Planned[] {
  const found = providerTypes.filter(type => given[type]);
  const [type] = found;
  if (!type) {
    errors.invalid(
      at,
      shown(given),
      'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity',
    );
    return [];
  }
  if (found.length > 1)
    errors.invalid(
      at,
      shown(given),
      'more than one provider specified in a single element, should split into different list elements',
    );
  if (type === 'identity') return [{ type }];
  if (type === 'kms') return [planKms(given.kms!, at.child('kms'), kmsNames, errors)];
  return [planKeys(type, given[type]!, at.child(type), errors)];
}

/** As Kubernetes prints what it made of it, except for the secrets. */
function shown({ aesgcm, aescbc, secretbox, identity, kms }: ProviderConfiguration): object {
  const keysOf = (given: KeysConfiguration | undefined) =>
    given
      ? { Keys: given.keys?.map(({ name = '', secret = '' }) => ({ Name: name, Secret: secret && redacted })) ?? null }
      : null;
  const { apiVersion = 'v1', name = '', cachesize = null, endpoint = '', timeout = defaultTimeout } = kms ?? {};
  const KMS = kms
    ? { APIVersion: apiVersion, Name: name, CacheSize: cachesize, Endpoint: endpoint, Timeout: timeout }
    : null;
  const AES = { AESGCM: keysOf(aesgcm), AESCBC: keysOf(aescbc), Secretbox: keysOf(secretbox) };
  return { ...AES, Identity: identity ?? null, KMS };
}

const redacted = 'REDACTED';

const keyLengths: Readonly<Record<CipherName, readonly number[]>> = {
  aesgcm: [16, 24, 32],
  aescbc: [16, 24, 32],
  secretbox: [32],
};

function planKeys(type: CipherName, given: KeysConfiguration, at: FieldPath, errors: FieldErrors): ProviderPlan {
  const list = at.child('keys');
  if (!given.keys?.length) errors.required(list, 'at least one keys is required');
  const lengths = keyLengths[type];
  const made = (given.keys ?? []).map(({ name = '', secret = '' }, i) => {
    const here = list.index(i);
    if (!name) errors.required(here.child('name'), 'name is a mandatory field for a key');
    const bytes = Buffer.from(secret, 'base64');
    if (!secret) errors.required(here.child('secret'), 'secret is a mandatory field for a key');
    else if (bytes.toString('base64') !== secret.replace(/[\r\n]/g, ''))
      errors.invalid(here.child('secret'), redacted, 'secrets must be base64 encoded');
    else if (!lengths.includes(bytes.length))
      errors.invalid(
        here.child('secret'),
        redacted,
        `secret is not of the expected length, got ${bytes.length}, expected one of [${lengths.join(' ')}]`,
      );
    return { name, secret: bytes };
  });
  return { type, keys: made };
}

function planKms(given: KmsConfiguration, at: FieldPath, names: Set<string>, errors: FieldErrors): Planned {
  const { name = '', endpoint = '', timeout = defaultTimeout, cachesize } = given;
  const apiVersion = given.apiVersion || 'v1';
  const here = at.child('name');
  if (!name) errors.required(here, 'name is a mandatory field for a provider');
  // Of version 1 several may have one name.
  if (apiVersion !== 'v1' && names.has(name))
    errors.invalid(here, name, `duplicate KMS provider name ${name}, names must be unique`);
  if (name.includes(':')) errors.invalid(here, name, `invalid KMS provider name ${name}, must not contain ':'`);
  names.add(name);
  const timeoutMs = parseDuration(timeout) / 1e6;
  if (timeoutMs <= 0)
    errors.invalid(at.child('timeout'), formatDuration(timeoutMs * 1e6), 'timeout should be a positive value');
  checkEndpoint(endpoint, at.child('endpoint'), errors);
  if (cachesize !== undefined && apiVersion !== 'v1')
    errors.invalid(at.child('cachesize'), cachesize, 'cachesize is not supported in v2');
  else if (cachesize === 0)
    errors.invalid(at.child('cachesize'), cachesize, 'cachesize should be a positive value, or negative to disable');
  if (apiVersion !== 'v1' && apiVersion !== 'v2')
    errors.invalid(
      at.child('apiVersion'),
      apiVersion,
      // The word it has for itself, as Kubernetes has it.
      'unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported',
    );
  return apiVersion === 'v1' ? { type: 'kms1' } : { type: 'kms', name, endpoint, timeoutMs };
}

function checkEndpoint(endpoint: string, at: FieldPath, errors: FieldErrors): void {
  const complaint = endpoint ? endpointFault(endpoint) : 'endpoint is a mandatory field for a kms';
  if (complaint) errors.invalid(at, endpoint, complaint);
}

function endpointFault(endpoint: string): string {
  try {
    const { scheme } = parseGoUrl(endpoint);
    return scheme === 'unix' ? '' : `unsupported scheme ${quote(scheme)} for KMS provider, only unix is supported`;
  } catch (error) {
    return `invalid endpoint for kms provider, error: ${messageOf(error)}`;
  }
}
