// metadata of custom resources and of resources embedded in them: what ObjectMeta does not have is dropped.
import { jsonText } from '../../base/json-text.ts';
import { quote } from '../../base/quote.ts';
import type { FieldErrors } from '../field-error.ts';
import { FieldPath, path as fieldPath } from '../field-error.ts';
import type { KubeObject } from '../meta.ts';
import { isDns1035Label } from '../name-rule.ts';
import { normalize } from '../normalize.ts';
import { isPlain, type Plain } from '../patch/plain.ts';
import { validateMeta } from '../rule/meta.ts';
import { badRequest, StatusError } from '../status.ts';
import type { ObjectMeta } from '../type/meta-v1.ts';
import { type Structural, schemaAt } from './structural.ts';

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** Canonical metadata with keys in order. Throws a StatusError (400) when a field has the wrong type. */
export function coerceMetadata(value: unknown, at: string, unknown?: string[]): Plain {
  const report = { unknown: [] as string[] };
  const meta = decodeMeta(value ?? {}, report);
  for (const path of report.unknown) unknown?.push(`${at}.${path}`);
  const out: Plain = {};
  for (const key of Object.keys(meta).sort())
    if (key !== 'creationTimestamp' || meta[key] !== null) out[key] = meta[key];
  return out;
}

function decodeMeta(value: unknown, report: { unknown: string[] }): Plain {
  try {
    return normalize(objectMeta, value, report) as unknown as Plain;
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw badRequest(error.message.replace(/^.*? cannot be handled as a ObjectMeta: /, ''));
  }
}

/**
 * Coerces the metadata of embedded resources in place. Throws a StatusError (400) for the first field of a wrong type,
 * which it names.
 */
export function coerceEmbedded(s: Structural, value: unknown, at: string, unknown?: string[]): void {
  eachEmbedded(s, value, at, (resource, here) => {
    const below = (field: string) => (here ? `${here}.${field}` : field);
    for (const field of ['apiVersion', 'kind'])
      if (resource[field] !== undefined && typeof resource[field] !== 'string')
        throw badRequest(`${below(field)}: ${mistyped(resource[field], 'must be a string')}`);
    if (resource.metadata === undefined) return;
    try {
      resource.metadata = coerceMetadata(resource.metadata, below('metadata'), unknown);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw badRequest(`${below('metadata')}: ${mistyped(resource.metadata, error.message)}`);
    }
  });
}

const mistyped = (value: unknown, why: string) =>
  `Invalid value: ${typeof value === 'string' ? quote(value) : jsonText(value)}: ${why}`;

/** The same for a default: its fault, if it has one. */
export function embeddedFault(s: Structural, value: unknown, at: FieldPath): FieldErrors['list'][number] | undefined {
  try {
    coerceEmbedded(s, value, `${at}`);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const [, field, message] = /^(.*?): (Invalid value: [\s\S]*)$/.exec(error.message)!;
    return { reason: 'FieldValueInvalid', field: field!, message: message! };
  }
  return undefined;
}

/** The same for what is stored, perhaps under another schema: fields of the wrong type are dropped. */
export function repairEmbedded(s: Structural, value: unknown): void {
  eachEmbedded(s, value, '', resource => {
    for (const field of ['apiVersion', 'kind']) if (typeof resource[field] !== 'string') delete resource[field];
    if (!isPlain(resource.metadata)) delete resource.metadata;
    else resource.metadata = repairedMetadata(resource.metadata);
  });
}

function repairedMetadata(given: Plain): Plain {
  try {
    return coerceMetadata(given, '');
  } catch {
    return coerceMetadata(Object.fromEntries(Object.entries(given).filter(isSoundField)), '');
  }
}

function isSoundField(field: [string, unknown]): boolean {
  try {
    coerceMetadata(Object.fromEntries([field]), '');
    return true;
  } catch {
    return false;
  }
}

const bookkeeping = ['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation'];

/** Drops, in place, what nobody can read of what the server keeps by itself: in applied metadata that is no fault. */
export function dropUnreadable(metadata: Plain): void {
  for (const field of bookkeeping)
    if (metadata[field] !== undefined && !isSoundField([field, metadata[field]])) delete metadata[field];
}

function eachEmbedded(s: Structural, value: unknown, at: string, visit: (resource: Plain, at: string) => void): void {
  if (!s.hasEmbedded) return;
  if (Array.isArray(value)) {
    const { items } = s;
    if (items) value.forEach((item, i) => void eachEmbedded(items, item, `${at}[${i}]`, visit));
    return;
  }
  if (!isPlain(value)) return;
  if (s.embedded) visit(value, at);
  for (const key of Object.keys(value)) {
    const child = schemaAt(s, key);
    if (child)
      eachEmbedded(child, value[key], s.properties.has(key) ? (at ? `${at}.${key}` : key) : `${at}[${key}]`, visit);
  }
}

/** Embedded resources have a kind and a version, and metadata that obeys the rules. */
export function validateEmbedded(s: Structural, value: unknown, at: FieldPath | undefined, errors: FieldErrors): void {
  if (!s.hasEmbedded) return;
  if (Array.isArray(value)) {
    const here = at ?? new FieldPath();
    const { items } = s;
    if (items) value.forEach((item, i) => void validateEmbedded(items, item, here.index(i), errors));
    return;
  }
  if (!isPlain(value)) return;
  if (s.embedded && at) validateOne(value, at, errors);
  for (const key of Object.keys(value)) {
    const child = schemaAt(s, key);
    if (!child) continue;
    const below = at && !s.properties.has(key) ? at.key(key) : (at?.child(key) ?? fieldPath(key));
    validateEmbedded(child, value[key], below, errors);
  }
}

function validateOne(value: Plain, at: FieldPath, errors: FieldErrors): void {
  const { apiVersion, kind } = value;
  if (typeof apiVersion !== 'string') errors.required(at.child('apiVersion'));
  else if (apiVersion === '') errors.invalid(at.child('apiVersion'), '', 'must not be empty');
  else if (apiVersion.split('/').length > 2)
    errors.invalid(at.child('apiVersion'), apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  if (typeof kind !== 'string') errors.required(at.child('kind'));
  else if (kind === '') errors.invalid(at.child('kind'), '', 'must not be empty');
  else
    for (const m of isDns1035Label(kind.toLowerCase()))
      errors.invalid(at.child('kind'), kind, `may have mixed case, but should otherwise match: ${m}`);
  if (!isPlain(value.metadata)) return;
  const meta = value.metadata as unknown as ObjectMeta;
  // A name and a namespace may be left to whoever makes the object.
  const filled = { ...meta, name: meta.name || 'x' } as KubeObject['metadata'];
  validateMeta(filled, meta.namespace !== undefined, 'pathSegment', at.child('metadata'), errors, 'any');
}
