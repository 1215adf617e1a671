// EncryptionConfiguration (apiserver.config.k8s.io): read and checked, with the messages of kube-apiserver.
import { FieldErrors, type FieldPath, path } from '../../api/field-error.ts';
import { parseDuration } from '../../api/scalar.ts';
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

const keys = { keys: [{ name: true, secret: true }] } as const;
const document = {
  kind: 'EncryptionConfiguration',
  versions: ['apiserver.config.k8s.io/v1'],
  shape: {
    resources: [
      {
        resources: [true],
        providers: [
          {
            aesgcm: keys,
            aescbc: keys,
            secretbox: keys,
            identity: {},
            kms: { apiVersion: true, name: true, cachesize: true, endpoint: true, timeout: true },
          },
        ],
      },
    ],
  },
} as const;

const defaultTimeoutMs = 3000;

/** Throws an error with every complaint in it. */
export function readEncryptionConfiguration(text: string): readonly EncryptionPlan[] {
  const { resources = [] } = readDocument<EncryptionConfiguration>(text, document);
  const errors = new FieldErrors();
  const at = path('resources');
  if (!resources.length) errors.required(at, 'at least one resources is required');
  const kmsNames = new Set<string>();
  const plans = resources.map((entry, i) => {
    const here = at.index(i);
    const names = entry.resources ?? [];
    const providers = entry.providers ?? [];
    if (!names.length) errors.required(here.child('resources'), 'at least one resources is required');
    if (!providers.length) errors.required(here.child('providers'), 'at least one providers is required');
    checkResources(names, here.child('resources'), errors);
    return {
      resources: names,
      providers: providers.flatMap((p, j) => planProvider(p, here.child('providers').index(j), kmsNames, errors) ?? []),
    };
  });
  throwErrors(errors);
  return plans;
}

function checkResources(names: readonly string[], at: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, name] of names.entries()) {
    const here = at.index(i);
    const dot = name.indexOf('.');
    const [resource, group] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
    const complaint = resourceComplaint(name, resource, group);
    if (seen.has(name)) errors.invalid(here, name, 'the same resource cannot be specified multiple times');
    else if (complaint) errors.invalid(here, name, complaint);
    seen.add(name);
  }
  if (overlap(names))
    errors.invalid(
      at,
      names,
      "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
    );
}

function resourceComplaint(name: string, resource: string, group: string): string {
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
  const groupOf = (name: string) => (name.includes('.') ? name.slice(name.indexOf('.') + 1) : '');
  const whole = new Set(names.filter(n => n.startsWith('*.')).map(groupOf));
  return names.some(n => !n.startsWith('*.') && whole.has(groupOf(n)));
}

const oneProvider = 'provider';

function planProvider(
  given: ProviderConfiguration | null,
  at: FieldPath,
  kmsNames: Set<string>,
  errors: FieldErrors,
): ProviderPlan | undefined {
  const named = Object.entries(given ?? {});
  const [first] = named;
  if (!given || !first) {
    errors.invalid(at, given, `at least one ${oneProvider} is required`);
    return undefined;
  }
  if (named.length > 1) {
    errors.invalid(
      at,
      given,
      'more than one provider specified in a single element, should split into different list elements',
    );
    return undefined;
  }
  const [type, value] = first as [keyof ProviderConfiguration, never];
  if (type === 'identity') return { type };
  if (type === 'kms') return planKms(value, at.child('kms'), kmsNames, errors);
  return planKeys(type, value, at.child(type), errors);
}

const keyLengths: Readonly<Record<CipherName, readonly number[]>> = {
  aesgcm: [16, 24, 32],
  aescbc: [16, 24, 32],
  secretbox: [32],
};

function planKeys(type: CipherName, given: KeysConfiguration | null, at: FieldPath, errors: FieldErrors): ProviderPlan {
  const all = given?.keys ?? [];
  const list = at.child('keys');
  if (!all.length) errors.required(list, 'at least one keys is required');
  const lengths = keyLengths[type];
  const made = all.map(({ name = '', secret = '' }, i) => {
    const here = list.index(i);
    if (!name) errors.required(here.child('name'), 'name is a mandatory field for a key');
    if (!secret) errors.required(here.child('secret'), 'secret is a mandatory field for a key');
    const bytes = Buffer.from(secret, 'base64');
    if (secret && bytes.toString('base64').replace(/=+$/, '') !== secret.replace(/=+$/, ''))
      errors.invalid(here.child('secret'), 'REDACTED', 'secrets must be base64 encoded');
    else if (secret && !lengths.includes(bytes.length))
      errors.invalid(
        here.child('secret'),
        'REDACTED',
        `secret is not of the expected length, got ${bytes.length}, expected one of [${lengths.join(' ')}]`,
      );
    return { name, secret: bytes };
  });
  return { type, keys: made };
}

function planKms(
  given: KmsConfiguration | null,
  at: FieldPath,
  names: Set<string>,
  errors: FieldErrors,
): ProviderPlan | undefined {
  const { apiVersion = 'v1', name = '', endpoint = '', timeout, cachesize } = given ?? {};
  if (!name) errors.required(at.child('name'), 'name is a mandatory field for a provider');
  else if (name.includes(':'))
    errors.invalid(at.child('name'), name, `invalid KMS provider name ${name}, must not contain ':'`);
  else if (names.has(name) && apiVersion !== 'v1')
    errors.invalid(at.child('name'), name, `duplicate KMS provider name ${name}, names must be unique`);
  names.add(name);
  let timeoutMs = defaultTimeoutMs;
  if (timeout !== undefined) {
    timeoutMs = parseDuration(timeout) / 1e6;
    if (timeoutMs <= 0) errors.invalid(at.child('timeout'), timeout, 'timeout should be a positive value');
  }
  if (!endpoint) errors.invalid(at.child('endpoint'), endpoint, 'endpoint is a mandatory field for a provider');
  else if (!/^unix:/.test(endpoint))
    errors.invalid(
      at.child('endpoint'),
      endpoint,
      `unsupported scheme ${JSON.stringify(endpoint.split(':')[0])} for KMS provider, only unix is supported`,
    );
  if (apiVersion !== 'v1' && apiVersion !== 'v2')
    errors.invalid(
      at.child('apiVersion'),
      apiVersion,
      `unsupported apiVersion ${apiVersion} for KMS provider, only v1 and v2 are supported`,
    );
  if (apiVersion === 'v2' && cachesize !== undefined)
    errors.invalid(at.child('cachesize'), cachesize, 'cachesize is not supported in v2');
  if (apiVersion === 'v1')
    errors.forbidden(
      at.child('apiVersion'),
      'KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead',
    );
  return { type: 'kms', name, endpoint, timeoutMs };
}
