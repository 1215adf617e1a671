// From request bodies to objects the registry takes.

import { applyDefaults, NumberTooLarge, normalize, strictErrors, unrecognized } from '../api/decode.ts';
import type { KubeObject, Mutable } from '../api/meta.ts';
import { isPlain, textOf } from '../api/patch/plain.ts';
import { apiVersionOf } from '../api/ref.ts';
import type { Resource } from '../api/resource.ts';
import { badRequest, invalid, StatusError } from '../api/status.ts';
import type { Strategy } from '../api/strategy.ts';
import type { CustomForm } from '../api/structural/custom-form.ts';
import { quote } from '../base/quote.ts';
import { asWritten, type DecodedBody, decodeYamlOrJson, noTypeMeta } from './body-format.ts';
import { groupVersionOf, otherKind, plainVersion, unreadableKind } from './body-kind.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** Largest body of a write, in bytes. */
export const maxBodyBytes = 3 << 20;

/** What a body is to become. */
export interface Target {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly typeName: string;
  readonly custom?: CustomForm | undefined;
}

export function targetOf(resource: Resource): Target {
  const { group, version, kind, typeName, custom } = resource;
  return { group, version, kind, typeName, custom };
}

export interface DraftOptions {
  readonly fieldValidation: FieldValidation;
  warn(message: string): void;
  /** Words the refusal of a value that does not decode; default: as that of a body. */
  refuse?(why: string): StatusError;
  /** It is made of an applied configuration. */
  readonly applied?: boolean;
  /** A spec that was stored: the value has it still, and so will what is made of it, though nobody may change it. */
  readonly heldSpec?: unknown;
  /** What strict decoding has against the patch itself. */
  readonly patchFaults?: readonly string[];
}

/** Decodes, checks against the schema and defaults. Throws 400, 415. */
export function decodeDraft(
  target: Target,
  strategy: Strategy | undefined,
  body: Uint8Array,
  contentType: string | undefined,
  options: DraftOptions,
): Mutable<KubeObject> {
  const decoded = decodeFor(target, body, contentType);
  const value = objectIn(decoded, target.kind, body);
  if (target.custom) requireTypeMeta(target, value, body);
  return draftFrom(target, strategy, value, options, decoded);
}

function objectIn(decoded: DecodedBody, kind: string, body: Uint8Array): object {
  // Null is an object without fields.
  const value = decoded.value ?? {};
  const wrong = isPlain(value) ? unreadableKind(value) : noTypeMeta(value);
  if (wrong) throw unrecognized(kind, wrong, body);
  return value as object;
}

/** A body that should be an object of the built-in kind, with numbers as they are written. Throws 400 and 415. */
export function decodeWhole(kind: string, body: Uint8Array, contentType: string | undefined): DecodedBody {
  const decoded = decodeYamlOrJson(body, contentType, { kind, ...asWritten });
  return { ...decoded, value: objectIn(decoded, kind, body) };
}

/** Custom resources say what they are; of built-in ones the path says it. */
function requireTypeMeta(target: Target, value: unknown, body: Uint8Array): void {
  const { kind, apiVersion } = value as { kind?: unknown; apiVersion?: unknown };
  if (!kind) throw unrecognized(target.kind, `Object 'Kind' is missing in '${Buffer.from(body).toString()}'`, body);
  if (apiVersion !== apiVersionOf(target)) throw otherVersion(target, plainVersion(textOf(apiVersion)));
  if (kind === target.kind) return;
  const message = `Invalid value: ${quote(textOf(kind))}: must be ${target.kind}`;
  const { name } = (value as { metadata?: { name?: unknown } }).metadata ?? {};
  const resource = { group: target.group, resource: textOf(kind) };
  throw invalid(resource, textOf(name), [{ reason: 'FieldValueInvalid', message, field: 'kind' }]);
}

function decodeFor(target: Target, body: Uint8Array, contentType: string | undefined): DecodedBody {
  try {
    const numbers = target.custom ? {} : asWritten;
    return decodeYamlOrJson(body, contentType, { kind: target.kind, apiVersion: apiVersionOf(target), ...numbers });
  } catch (error) {
    throw error instanceof NumberTooLarge ? cannotBeHandled(target, error.message) : error;
  }
}

/** The same for a value that is parsed already. It is copied, never changed, unless it is said to be the caller's. */
export function draftFrom(
  target: Target,
  strategy: Strategy | undefined,
  value: unknown,
  options: DraftOptions,
  given: Omit<DecodedBody, 'value'> = { duplicates: [] },
): Mutable<KubeObject> {
  checkKind(target, value);
  const ignore = options.fieldValidation === 'Ignore';
  const report = ignore ? undefined : { unknown: [] as string[] };
  let object: Mutable<KubeObject>;
  try {
    object = target.custom
      ? target.custom.decode(value as Record<string, unknown>, report?.unknown, options.applied)
      : given.typeName !== undefined && given.typeName === target.typeName
        ? (value as Mutable<KubeObject>)
        : normalize(target.typeName, value, report, options.heldSpec);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 400) throw error;
    // Built-in types say it in full themselves.
    const full = /^.* cannot be handled as a \w+: /.exec(error.message)?.[0];
    if (options.refuse) throw options.refuse(error.message.slice(full?.length ?? 0));
    throw full ? error : cannotBeHandled(target, error.message);
  }
  if (report) {
    const problems = [...(options.patchFaults ?? []), ...strictErrors({ ...given, unknown: report.unknown })];
    if (problems.length && options.fieldValidation === 'Strict') {
      // The reader of YAML tells of all its keys at once.
      const twice = given.lines ? problems.splice(0, given.lines.length) : [];
      if (twice.length) problems.unshift(`yaml: unmarshal errors:${twice.map(p => `\n  ${p}`).join('')}`);
      const why = `strict decoding error: ${problems.join(', ')}`;
      throw options.refuse?.(why) ?? cannotBeHandled(target, why);
    }
    for (const p of problems) options.warn(p);
  }
  (object as { kind?: string }).kind = target.kind;
  (object as { apiVersion?: string }).apiVersion = apiVersionOf(target);
  (object as { metadata?: unknown }).metadata ??= {};
  const holder = object as { spec?: unknown };
  const holds = options.heldSpec !== undefined && holder.spec === options.heldSpec;
  // Defaults are written in place.
  if (holds) holder.spec = (normalize(target.typeName, {}) as { spec?: unknown }).spec;
  if (!target.custom) applyDefaults(target.typeName, object);
  strategy?.default?.(object);
  if (holds) holder.spec = options.heldSpec;
  return object;
}

const otherVersion = (target: Target, given: string): StatusError =>
  badRequest(
    `the API version in the data (${given}) does not match the expected API version (${apiVersionOf(target)})`,
  );

export function checkKind(target: Target, value: unknown): void {
  if (!isPlain(value)) {
    throw badRequest(`the object provided is unrecognized (must be of type ${target.kind}): ${noTypeMeta(value)}`);
  }
  const { kind, apiVersion } = value as { kind?: unknown; apiVersion?: unknown };
  const said = {
    kind: textOf(kind) || target.kind,
    apiVersion: plainVersion(textOf(apiVersion)) || apiVersionOf(target),
  };
  if (said.kind === target.kind && said.apiVersion === apiVersionOf(target)) return;
  const { version } = groupVersionOf(said.apiVersion);
  const why = version
    ? otherKind(said.kind, said.apiVersion, target)
    : `Object 'apiVersion' is missing in '${JSON.stringify(value)}'`;
  if (!why) throw otherVersion(target, said.apiVersion);
  throw badRequest(`${said.kind} in version ${quote(version)} cannot be handled as a ${target.kind}: ${why}`);
}

function cannotBeHandled(target: Target, why: string): StatusError {
  return badRequest(`${target.kind} in version "${target.version}" cannot be handled as a ${target.kind}: ${why}`);
}
