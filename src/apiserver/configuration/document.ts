// Configuration files of the API server and its plugins: read strictly, and refused in the words of Go's decoders.
import { parseJson, strictErrors } from '../../api/decode.ts';
import type { FieldErrors } from '../../api/field-error.ts';
import { isPlain, jsonKind, type Plain } from '../../api/patch/plain.ts';
import { parseDuration } from '../../api/scalar.ts';
import { readYaml } from '../../api/yaml-reader.ts';
import { noTypeMeta } from '../body-format.ts';
import { notRegistered, unreadableKind } from '../body-kind.ts';

/**
 * What a field holds. A `*duration` may be absent, a `duration` that is null is refused, as there. A list has the shape
 * of its items; a record is a Go struct, by the name errors call it.
 */
export type Shape = 'string' | 'bool' | 'int32' | 'int64' | 'duration' | '*duration' | readonly [Shape] | RecordShape;

export interface RecordShape {
  readonly go: string;
  readonly fields: Readonly<Record<string, Shape>>;
}

export interface DocumentKind {
  readonly kind: string;
  /** Default apiserver.config.k8s.io. */
  readonly group?: string;
  readonly versions: readonly string[];
  readonly fields: Readonly<Record<string, Shape>>;
  /** A refusal shows what is no document at all as it is written, not as JSON. */
  readonly asWritten?: boolean;
}

const ownGroup = 'apiserver.config.k8s.io';
const versionsOfKind: Readonly<Record<string, readonly string[]>> = {
  AuthenticationConfiguration: ['v1', 'v1beta1', 'v1alpha1'],
  AuthorizationConfiguration: ['v1', 'v1beta1', 'v1alpha1'],
  EncryptionConfiguration: ['v1'],
};

/**
 * The decoded document of YAML or JSON, without nulls. Throws an error with Kubernetes' words for what is no such document,
 * nor one of the `older` kinds.
 */
export function readDocument<T>(text: string, document: DocumentKind, ...older: readonly DocumentKind[]): T {
  const parsed = text.trimStart().startsWith('{') ? parseJson(text) : readYaml(text);
  const value = parsed.value ?? {};
  if (!isPlain(value)) throw new Error(noTypeMeta(value));
  const unreadable = unreadableKind(value);
  if (unreadable) throw new Error(unreadable);
  const told = document.asWritten ? text : shown(value, text);
  if (!value.kind) throw new Error(`Object 'Kind' is missing in '${told}'`);
  if (!value.apiVersion) throw new Error(`Object 'apiVersion' is missing in '${told}'`);
  const [given, apiVersion] = [String(value.kind), String(value.apiVersion)];
  const isOf = (d: DocumentKind) =>
    d.kind === given && d.versions.some(version => apiVersion === `${d.group ?? ownGroup}/${version}`);
  const { kind, group = ownGroup, versions, fields } = older.find(isOf) ?? document;
  const version = apiVersion.slice(group.length + 1);
  const kinds = { [kind]: versions, ...(group === ownGroup ? versionsOfKind : {}) };
  const known = Object.hasOwn(kinds, given) && kinds[given]!.includes(version);
  if (!apiVersion.startsWith(`${group}/`) || !known) throw new Error(notRegistered(given, apiVersion));
  if (given !== kind || !versions.includes(version)) throw new Error(`expected ${kind}, got *apiserver.${given}`);
  const reader = new Reader(version);
  const made = reader.read(value, { go: kind, fields: { kind: 'string', apiVersion: 'string', ...fields } });
  if (reader.fault) throw new Error(reader.fault);
  const strict = strictErrors({ ...parsed, unknown: reader.unknown });
  if (strict.length) {
    const lines = parsed.lines?.length ?? 0;
    const twice = lines ? [`yaml: unmarshal errors:\n  ${strict.slice(0, lines).join('\n  ')}`] : [];
    throw new Error(`strict decoding error: ${[...twice, ...strict.slice(lines)].join(', ')}`);
  }
  return made as T;
}

// Kubernetes shows the JSON it made of YAML.
const shown = (value: Plain, text: string) => (/^\s*(\{|null|$)/.test(text) ? text : sorted(value));
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, v) =>
    isPlain(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v,
  );

/** Where a value stands: the record it is a field of, and its path without indexes. */
interface Place {
  readonly go: string;
  readonly path: string;
  /** With indexes. */
  readonly exact: string;
}

class Reader {
  readonly unknown: string[] = [];
  /** The first one counts. */
  fault: string | undefined;
  readonly #version: string;

  constructor(version: string) {
    this.#version = version;
  }

  read(value: unknown, shape: Shape, at: Place = { go: '', path: '', exact: '' }): unknown {
    if (isList(shape)) return this.#list(value, shape[0], at);
    if (typeof shape === 'object') return this.#record(value, shape, at);
    if (shape === 'duration' || shape === '*duration') return this.#duration(value, at);
    const whole = shape === 'int32' || shape === 'int64';
    const wanted = whole ? 'number' : shape === 'bool' ? 'boolean' : 'string';
    if (typeof value === wanted && (!whole || Number.isInteger(value))) return value;
    return this.#refuse(value, shape, at);
  }

  #list(value: unknown, item: Shape, at: Place): unknown {
    if (!Array.isArray(value)) return this.#refuse(value, `[]${this.#goType(item)}`, at);
    return value.map((v, i) => {
      const here = { ...at, exact: `${at.exact}[${i}]` };
      if (v !== null) return this.read(v, item, here);
      return typeof item === 'object' && !isList(item) ? {} : '';
    });
  }

  #record(value: unknown, { go, fields }: RecordShape, at: Place): unknown {
    if (!isPlain(value)) return this.#refuse(value, `${this.#version}.${go}`, at);
    const made: Plain = {};
    for (const [field, given] of Object.entries(value)) {
      const exact = at.exact ? `${at.exact}.${field}` : field;
      if (!Object.hasOwn(fields, field)) {
        this.unknown.push(exact);
        continue;
      }
      const shape = fields[field]!;
      if (given === null && shape !== 'duration') continue;
      made[field] = this.read(given, shape, { go, path: at.path ? `${at.path}.${field}` : field, exact });
    }
    return made;
  }

  #duration(value: unknown, at: Place): unknown {
    if (value !== null && typeof value !== 'string') return this.#refuse(value, 'string', at);
    try {
      parseDuration(value ?? '');
    } catch (error) {
      this.fault ??= (error as Error).message;
    }
    return value;
  }

  #refuse(value: unknown, type: string, { go, path }: Place): undefined {
    this.fault ??= `json: cannot unmarshal ${jsonKind(value)} into Go struct field ${go}.${path} of type ${type}`;
    return undefined;
  }

  #goType(shape: Shape): string {
    if (isList(shape)) return `[]${this.#goType(shape[0])}`;
    return typeof shape === 'object' ? `${this.#version}.${shape.go}` : shape;
  }
}

const isList = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape);

/** Throws all of the errors in one, as Go prints an aggregate. */
export function throwErrors({ list }: FieldErrors): void {
  const said = [...new Set(list.map(e => `${e.field}: ${e.message}`))];
  if (said.length) throw new Error(said.length === 1 ? said[0] : `[${said.join(', ')}]`);
}
