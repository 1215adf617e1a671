// Query parameters and option bodies of requests.

import { NumberTooLarge, normalize } from '../api/decode.ts';
import { badRequest, invalid } from '../api/status.ts';
import type { UserInfo } from './authn/user.ts';
import type { FieldValidation } from './body.ts';
import { decodeYamlOrJson } from './body-format.ts';
import type { DeleteRequest } from './registry/delete.ts';
import type { WriteContext } from './registry/registry.ts';

const longestManager = 128;

/** The name before the first slash of the user agent, as `kubectl` in `kubectl/v1.36.2 (linux/amd64)`. */
export function managerFromUserAgent(agent: string): string {
  const name = agent.split('/', 1)[0]!;
  return (
    [...name]
      .filter(c => c >= ' ' && c !== '\x7f')
      .join('')
      .slice(0, longestManager) || 'unknown'
  );
}

export interface WriteParameters {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
}

/** Throws 400 or 422 for values Kubernetes refuses. */
export function writeParameters(query: URLSearchParams, userAgent: string, optionsKind: string): WriteParameters {
  const causes: { reason: string; message: string; field: string }[] = [];
  const dryRun = query.getAll('dryRun');
  if (dryRun.some(v => v !== 'All')) {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${goList(dryRun)}: supported values: "All"`,
      field: 'dryRun',
    });
  }
  const manager = query.get('fieldManager') ?? '';
  if (manager.length > longestManager) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: `Too long: may not be more than ${longestManager} bytes`,
      field: 'fieldManager',
    });
  }
  const at = [...manager].findIndex(c => !printable.test(c));
  if (at >= 0) {
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${quoted(manager)}: invalid character ${codePointOf([...manager][at]!)} (at position ${at})`,
      field: 'fieldManager',
    });
  }
  const validation = query.get('fieldValidation') || 'Warn';
  if (validation !== 'Ignore' && validation !== 'Warn' && validation !== 'Strict') {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(validation)}: supported values: "", "Ignore", "Strict", "Warn"`,
      field: 'fieldValidation',
    });
  }
  if (causes.length) throw invalid({ group: 'meta.k8s.io', resource: optionsKind }, '', causes);
  return {
    dryRun: dryRun.length > 0,
    fieldManager: manager || managerFromUserAgent(userAgent),
    fieldValidation: validation as FieldValidation,
  };
}

// As Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the plain space.
const printable = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

const codePointOf = (c: string) => `U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/** A string as Go's %q writes it, for the texts that clients are shown. */
const quoted = (text: string) =>
  JSON.stringify(text).replace(/\\u00([0-9a-f]{2})|[\x7f-\x9f]/g, (c, hex: string | undefined) =>
    hex ? `\\x${hex}` : `\\x${c.charCodeAt(0).toString(16)}`,
  );

const goList = (list: readonly string[]) => `[${list.map(quoted).join(' ')}]`;

export function writeContext(
  user: UserInfo,
  p: WriteParameters,
  subresource: string,
  options: Record<string, unknown>,
  warn: (m: string) => void,
): WriteContext {
  return { user, dryRun: p.dryRun, fieldManager: p.fieldManager, subresource, options, warn };
}

const deleteOptionsType = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

/** The body of a delete; undefined for none. Throws 400 and 415. Of which group and version it says to be is all one. */
export function deleteOptions(body: Uint8Array, contentType: string | undefined): unknown {
  if (body.length === 0) return undefined;
  const { value } = decodeOptions(body, contentType);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { kind } = value as { kind?: unknown };
  if (kind && kind !== 'DeleteOptions') return value;
  return normalize(deleteOptionsType, value);
}

function decodeOptions(body: Uint8Array, contentType: string | undefined) {
  try {
    return decodeYamlOrJson(body, contentType);
  } catch (error) {
    if (!(error instanceof NumberTooLarge)) throw error;
    // The only number there is.
    const where = 'struct field DeleteOptions.gracePeriodSeconds of type int64';
    throw badRequest(`json: cannot unmarshal number ${error.number} into Go ${where}`);
  }
}

/** From the body when there is one, else from the query. */
export function deleteRequest(body: unknown, query: URLSearchParams): DeleteRequest & { dryRun: boolean } {
  const from = (typeof body === 'object' && body !== null ? body : undefined) as Record<string, unknown> | undefined;
  if (from?.kind !== undefined && from.kind !== 'DeleteOptions' && from.kind !== '') {
    throw badRequest(
      `decoded object cannot be converted to DeleteOptions: the kind in the data is ${JSON.stringify(from.kind)}`,
    );
  }
  const text = (name: string) => (from?.[name] as string | undefined) ?? query.get(name) ?? undefined;
  const grace = from?.gracePeriodSeconds ?? (query.get('gracePeriodSeconds') || undefined);
  const gracePeriodSeconds = grace === undefined || grace === null ? undefined : Number(grace);
  if (gracePeriodSeconds !== undefined && !Number.isInteger(gracePeriodSeconds))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
  const propagationPolicy = text('propagationPolicy') as DeleteRequest['propagationPolicy'];
  const orphan = from?.orphanDependents ?? query.get('orphanDependents') ?? undefined;
  const causes: { reason: string; message: string; field: string }[] = [];
  if (propagationPolicy && !['Orphan', 'Background', 'Foreground'].includes(propagationPolicy)) {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(propagationPolicy)}: supported values: "Foreground", "Background", "Orphan", "nil"`,
      field: 'propagationPolicy',
    });
  }
  if (propagationPolicy && orphan !== undefined && orphan !== null) {
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(propagationPolicy)}: orphanDependents and deletionPropagation cannot be both set`,
      field: 'propagationPolicy',
    });
  }
  const dryRun = (from?.dryRun as string[] | undefined) ?? query.getAll('dryRun');
  if (dryRun.some(v => v !== 'All'))
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${goList(dryRun)}: supported values: "All"`,
      field: 'dryRun',
    });
  if (causes.length) throw invalid({ group: 'meta.k8s.io', resource: 'DeleteOptions' }, '', causes);
  return {
    ...(gracePeriodSeconds === undefined
      ? {}
      : { gracePeriodSeconds: Math.max(gracePeriodSeconds < 0 ? 1 : 0, gracePeriodSeconds) }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(orphan === undefined || orphan === null ? {} : { orphanDependents: orphan === true || orphan === 'true' }),
    ...(from?.preconditions ? { preconditions: from.preconditions as DeleteRequest['preconditions'] & {} } : {}),
    dryRun: dryRun.length > 0,
  };
}
