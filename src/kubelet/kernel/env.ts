import type { ConfigMap, Container, EnvVar, Pod, Secret } from '../../api/type/core-v1.ts';
import { fieldValue, type NodeFields, resourceValue } from './downward.ts';
import { expand } from './expansion.ts';
import type { EnvPair } from './service-env.ts';

/** A container cannot be created as configured: reason CreateContainerConfigError. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

export interface EnvInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly serviceEnv: readonly EnvPair[];
  readonly node: NodeFields;
  readonly allocatable: Readonly<Record<string, string>>;
  /** Undefined when the object does not exist. */
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
  /** The decoded text of a file below a volume, for fileKeyRef; undefined when it does not exist. */
  file?(volume: string, path: string): string | undefined;
}

export const decodeBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The container's variables in the order they are set; later ones of the same name have won. Throws ConfigError. */
export function makeEnv(input: EnvInput): readonly EnvPair[] {
  const env = new Map<string, string>();
  for (const [name, value] of fromSources(input)) env.set(name, value);
  const services = new Map(input.serviceEnv.map(e => [e.name, e.value]));
  for (const e of input.container.env ?? []) {
    const value = valueOfEnv(input, e, name => env.get(name) ?? services.get(name));
    if (value === undefined) continue;
    env.delete(e.name);
    env.set(e.name, value);
  }
  const out = [...env].map(([name, value]) => ({ name, value }));
  for (const e of input.serviceEnv) if (!env.has(e.name)) out.push(e);
  return out;
}

function* fromSources(input: EnvInput): Generator<readonly [string, string]> {
  const ns = input.pod.metadata.namespace;
  for (const source of input.container.envFrom ?? []) {
    const prefix = source.prefix ?? '';
    if (source.configMapRef) {
      const { name = '', optional } = source.configMapRef;
      const map = input.configMap(name);
      if (!map && !optional) throw new ConfigError(`configmap "${name}" not found`);
      for (const [k, v] of Object.entries(map?.data ?? {}).sort(byKey)) yield [prefix + k, v];
    } else if (source.secretRef) {
      const { name = '', optional } = source.secretRef;
      const secret = input.secret(name);
      if (!secret && !optional) throw new ConfigError(`secret "${name}" not found`);
      for (const [k, v] of Object.entries(secret?.data ?? {}).sort(byKey)) yield [prefix + k, textOf(decodeBase64(v))];
    } else throw new ConfigError(`envFrom of container ${input.container.name} in ${ns} names no source`);
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : a > b ? 1 : 0);

function valueOfEnv(input: EnvInput, e: EnvVar, lookup: (name: string) => string | undefined): string | undefined {
  const from = e.valueFrom;
  if (!from) return expand(e.value ?? '', lookup);
  const ns = input.pod.metadata.namespace;
  if (from.fieldRef) return fieldValue(input.pod, from.fieldRef.fieldPath, input.node);
  if (from.resourceFieldRef) return resourceFieldValue(input, from.resourceFieldRef);
  if (from.configMapKeyRef) {
    const { name = '', key, optional } = from.configMapKeyRef;
    const map = input.configMap(name);
    if (!map && !optional) throw new ConfigError(`configmap "${name}" not found`);
    const value = map?.data?.[key];
    if (value === undefined && !optional) throw new ConfigError(`couldn't find key ${key} in ConfigMap ${ns}/${name}`);
    return value;
  }
  if (from.secretKeyRef) {
    const { name = '', key, optional } = from.secretKeyRef;
    const secret = input.secret(name);
    if (!secret && !optional) throw new ConfigError(`secret "${name}" not found`);
    const value = secret?.data?.[key];
    if (value === undefined && !optional) throw new ConfigError(`couldn't find key ${key} in Secret ${ns}/${name}`);
    return value === undefined ? undefined : textOf(decodeBase64(value));
  }
  if (from.fileKeyRef) {
    const { volumeName, path, key, optional } = from.fileKeyRef;
    const text = input.file?.(volumeName, path);
    const value = text === undefined ? undefined : parseEnvFile(text).get(key);
    if (value === undefined && !optional)
      throw new ConfigError(
        text === undefined
          ? `couldn't parse env file: file "${path}" not found in volume "${volumeName}"`
          : `environment variable key "${key}" not found in file "${path}"`,
      );
    return value;
  }
  return undefined;
}

function resourceFieldValue(
  input: EnvInput,
  selector: NonNullable<NonNullable<EnvVar['valueFrom']>['resourceFieldRef']>,
): string {
  const name = selector.containerName || input.container.name;
  const { spec } = input.pod;
  const container = [...spec.containers, ...(spec.initContainers ?? [])].find(c => c.name === name) ?? input.container;
  return resourceValue(selector, spec, container, input.allocatable);
}

/** KEY='value' lines of an env file, perhaps with blanks around the `=`; only single-quoted values, `#` comments. */
export function parseEnvFile(text: string): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  for (const m of text.matchAll(/^[ \t]*([^=#\s][^=\n]*)=[ \t]*'([^']*)'/gm)) out.set(m[1]!.trim(), m[2]!);
  return out;
}

/** Command and arguments with `$(VAR)` replaced. */
export function expandAll(list: readonly string[] | undefined, env: readonly EnvPair[]): readonly string[] {
  if (!list?.length) return [];
  const values = new Map(env.map(e => [e.name, e.value]));
  return list.map(text => expand(text, name => values.get(name)));
}
