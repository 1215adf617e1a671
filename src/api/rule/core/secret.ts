// The rules of Secrets.
import { jsonKind } from '../../decode-fault.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE, isConfigMapKey } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { Secret } from '../../type/core-v1.ts';
import { sortedRecord } from '../record.ts';
import { binaryBytes, MAX_DATA_BYTES, validateStillImmutable } from './immutable-data.ts';
import { keyPairFault } from './key-pair.ts';

const DATA = path('data');
const TYPE = path('type');
const TLS = 'kubernetes.io/tls';
const ACCOUNT_KEY = 'kubernetes.io/service-account.name';

const utf8 = new TextEncoder();
const toBase64 = (text: string): string => utf8.encode(text).toBase64();

function defaults(secret: Mutable<Secret>): void {
  secret.type ||= 'Opaque';
  const { stringData } = secret;
  if (!stringData) return;
  // Write-only: what it says goes into data, over what data says.
  const data = { ...secret.data };
  for (const key in stringData) data[key] = toBase64(stringData[key]!);
  delete secret.stringData;
  if (Object.keys(data).length > 0) secret.data = sortedRecord(data);
}

function needs(secret: Secret, errors: FieldErrors, ...keys: string[]): void {
  for (const key of keys) if (secret.data?.[key] === undefined) errors.required(DATA.key(key));
}

function validateJson(secret: Secret, key: string, errors: FieldErrors): void {
  const value = secret.data?.[key];
  const at: FieldPath = DATA.key(key);
  if (value === undefined) {
    errors.required(at);
    return;
  }
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(value)));
    if (typeof parsed !== 'object' || Array.isArray(parsed))
      errors.invalid(
        at,
        '<secret contents redacted>',
        `json: cannot unmarshal ${jsonKind(parsed)} into Go value of type map[string]interface {}`,
      );
  } catch (error) {
    // The parser would quote what it stumbled over.
    if (error instanceof SyntaxError)
      errors.invalid(at, '<secret contents redacted>', value === '' ? 'unexpected end of JSON input' : 'invalid JSON');
    else throw error;
  }
}

const TYPES: Readonly<Record<string, (secret: Secret, errors: FieldErrors) => void>> = {
  'kubernetes.io/service-account-token': (secret, errors) => {
    // The token itself may come later.
    if (!secret.metadata.annotations?.[ACCOUNT_KEY]) errors.required(path('metadata.annotations').key(ACCOUNT_KEY));
  },
  'kubernetes.io/dockercfg': (secret, errors) => validateJson(secret, '.dockercfg', errors),
  'kubernetes.io/dockerconfigjson': (secret, errors) => validateJson(secret, '.dockerconfigjson', errors),
  'kubernetes.io/basic-auth': (secret, errors) => {
    if (secret.data?.username === undefined && secret.data?.password === undefined)
      needs(secret, errors, 'username', 'password');
  },
  'kubernetes.io/ssh-auth': (secret, errors) => {
    if (!secret.data?.['ssh-privatekey']) errors.required(DATA.key('ssh-privatekey'));
  },
  [TLS]: (secret, errors) => needs(secret, errors, 'tls.crt', 'tls.key'),
};

export const secretStrategy: Strategy<Secret> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  validate(secret, errors) {
    for (const key in secret.data) for (const m of isConfigMapKey(key)) errors.invalid(DATA.key(key), key, m);
    if (binaryBytes(secret.data) > MAX_DATA_BYTES) errors.tooLong(DATA, MAX_DATA_BYTES);
    if (secret.type && Object.hasOwn(TYPES, secret.type)) TYPES[secret.type]!(secret, errors);
  },
  validateUpdate(now, old, errors) {
    if ((now.type ?? '') !== (old.type ?? '')) errors.invalid(TYPE, now.type, IMMUTABLE);
    validateStillImmutable(now, old, ['data'], errors);
  },
  warnings({ type, data }) {
    const fault = type === TLS ? keyPairFault(data?.['tls.crt'], data?.['tls.key']) : undefined;
    return fault === undefined ? [] : [fault];
  },
};
