// Configuration files of the API server (apiserver.config.k8s.io): read strictly, as kube-apiserver reads them.
import { parseDocument } from 'yaml';
import type { FieldErrors } from '../../api/field-error.ts';

/** The fields there may be: `true` for anything, a shape for an object, a list of one shape for a list. */
export type Shape = true | { readonly [field: string]: Shape } | readonly [Shape];

export interface DocumentKind {
  readonly kind: string;
  /** `group/version`, newest first. */
  readonly versions: readonly string[];
  /** Besides kind and apiVersion. */
  readonly shape: { readonly [field: string]: Shape };
}

/** The decoded document of YAML or JSON. Throws an error with Kubernetes' words for what is no such document. */
export function readDocument<T>(text: string, { kind, versions, shape }: DocumentKind): T {
  const document = parseDocument(text, { uniqueKeys: false });
  const broken = document.errors[0];
  if (broken) throw new Error(`error converting YAML to JSON: yaml: ${broken.message.split('\n')[0]}`);
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  const given = (isRecord(value) ? value : {}) as { kind?: unknown; apiVersion?: unknown };
  if (!given.kind) throw new Error(`Object 'Kind' is missing in '${text.slice(0, 1000)}'`);
  if (!given.apiVersion) throw new Error(`Object 'apiVersion' is missing in '${text.slice(0, 1000)}'`);
  if (given.kind !== kind || !versions.includes(String(given.apiVersion)))
    throw new Error(
      `no kind ${JSON.stringify(given.kind)} is registered for version ${JSON.stringify(given.apiVersion)}: want ${kind} of ${versions.join(' or ')}`,
    );
  const unknown: string[] = [];
  findUnknown(value, { ...shape, kind: true, apiVersion: true }, '', unknown);
  if (unknown.length)
    throw new Error(`strict decoding error: ${unknown.map(f => `unknown field ${JSON.stringify(f)}`).join(', ')}`);
  return value as T;
}

function findUnknown(value: unknown, shape: Shape, at: string, unknown: string[]): void {
  if (shape === true || value === null || value === undefined) return;
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) throw new Error(`strict decoding error: ${at}: a list is needed`);
    for (const [i, item] of value.entries()) findUnknown(item, shape[0] as Shape, `${at}[${i}]`, unknown);
    return;
  }
  if (!isRecord(value)) throw new Error(`strict decoding error: ${at}: an object is needed`);
  const fields = shape as { readonly [field: string]: Shape };
  for (const [field, inner] of Object.entries(value)) {
    const here = at ? `${at}.${field}` : field;
    if (!Object.hasOwn(fields, field)) unknown.push(here);
    else findUnknown(inner, fields[field]!, here, unknown);
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws all of the errors in one, as Go prints an aggregate. */
export function throwErrors({ list }: FieldErrors): void {
  if (list.length === 0) return;
  const said = list.map(e => `${e.field}: ${e.message}`);
  throw new Error(said.length === 1 ? said[0] : `[${said.join(', ')}]`);
}
