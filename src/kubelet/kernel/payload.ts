// Files that a configMap, secret, downwardAPI or projected volume holds.
import type { ConfigMap, KeyToPath, Secret } from '../../api/type/core-v1.ts';
import { decodeBase64 } from './env.ts';

export interface PayloadFile {
  readonly data: Uint8Array;
  readonly mode: number;
  /** Default: root. */
  readonly uid?: number;
}

/** By path below the volume. */
export type Payload = ReadonlyMap<string, PayloadFile>;

/** Every key, or the chosen ones under their paths. Throws Kubernetes' error for a key that is missing. */
export function choose(
  data: ReadonlyMap<string, Uint8Array>,
  items: readonly KeyToPath[] | undefined,
  defaultMode: number,
  optional: boolean,
  missing: (key: string) => string,
): Payload {
  const out = new Map<string, PayloadFile>();
  if (!items?.length) {
    for (const [key, bytes] of data) out.set(key, { data: bytes, mode: defaultMode });
    return out;
  }
  for (const { key, path, mode } of items) {
    const bytes = data.get(key);
    if (bytes) out.set(path, { data: bytes, mode: mode ?? defaultMode });
    else if (!optional) throw new Error(missing(key));
  }
  return out;
}

export const missingConfigKey = (key: string) => `references non-existent config key: ${key}`;
export const missingSecretKey = (key: string) => `references non-existent secret key: ${key}`;

const encoder = new TextEncoder();

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

// Of one object, many pods have a volume: on all simulated nodes of a process, of the very same.
const decoded = new WeakMap<ConfigMap, ReadonlyMap<string, Uint8Array>>();

export function configMapData(map: ConfigMap | undefined): ReadonlyMap<string, Uint8Array> {
  return map ? decoded.getOrInsertComputed(map, decodeConfigMap) : new Map();
}

function decodeConfigMap(map: ConfigMap): ReadonlyMap<string, Uint8Array> {
  const out = new Map<string, Uint8Array>();
  for (const [k, v] of Object.entries(map.data ?? {})) out.set(k, utf8(v));
  for (const [k, v] of Object.entries(map.binaryData ?? {})) out.set(k, decodeBase64(v));
  return out;
}

export function secretData(secret: Secret | undefined): ReadonlyMap<string, Uint8Array> {
  return new Map(Object.entries(secret?.data ?? {}).map(([k, v]) => [k, decodeBase64(v)]));
}

export function samePayload(a: Payload | undefined, b: Payload): boolean {
  if (!a || a.size !== b.size) return false;
  for (const [path, file] of b) {
    const other = a.get(path);
    if (!other || other.mode !== file.mode || other.uid !== file.uid || other.data.length !== file.data.length)
      return false;
    if (file.data === other.data) continue;
    for (let i = 0; i < file.data.length; i++) if (file.data[i] !== other.data[i]) return false;
  }
  return true;
}

/** A path that stays inside the volume. */
export function isInside(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !path.split('/').includes('..') && !path.startsWith('..');
}
