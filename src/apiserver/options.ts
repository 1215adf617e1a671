// Query parameters of writes.

import { FieldErrors, path } from '../api/field-error.ts';
import { longestManager, validateFieldManager } from '../api/rule/managed-fields.ts';
import { invalid } from '../api/status.ts';
import { quote } from '../base/quote.ts';
import type { UserInfo } from './authn/user.ts';
import type { FieldValidation } from './body.ts';
import type { WriteContext } from './registry/registry.ts';

/** The name before the first slash of the user agent, as `kubectl` in `kubectl/v1.36.2 (linux/amd64)`. */
export function managerFromUserAgent(agent: string): string {
  if (agent === lastAgent) return lastManager;
  const name = agent.split('/', 1)[0]!;
  lastAgent = agent;
  lastManager =
    [...name]
      .filter(c => c >= ' ' && c !== '\x7f')
      .join('')
      .slice(0, longestManager) || 'unknown';
  return lastManager;
}

// A client writes more than once.
let lastAgent: string | undefined;
let lastManager = '';

export interface WriteParameters {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
}

interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** `apply`: a patch is one or is none. Throws 422 for values Kubernetes refuses, in the order it looks at them. */
export function writeParameters(
  query: URLSearchParams,
  userAgent: string,
  optionsKind: string,
  apply = false,
): WriteParameters {
  if (query.size === 0 && !apply)
    return { dryRun: false, fieldManager: managerFromUserAgent(userAgent), fieldValidation: 'Warn' };
  const manager = query.get('fieldManager')?.toWellFormed() ?? '';
  const dryRun = query.getAll('dryRun').map(text => text.toWellFormed());
  const validation = query.get('fieldValidation') || 'Warn';
  const causes = [
    ...(optionsKind === 'PatchOptions' ? applyFaults(query, apply) : []),
    ...managerFaults(manager),
    ...dryRunFaults(dryRun),
  ];
  if (validation !== 'Ignore' && validation !== 'Warn' && validation !== 'Strict') {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${quote(validation)}: supported values: "", "Ignore", "Strict", "Warn"`,
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

/** What does not go with a patch's being an apply or not. */
function applyFaults(query: URLSearchParams, apply: boolean): Cause[] {
  const fault = (reason: string, message: string, field: string) => [{ reason, message, field }];
  if (apply && !query.get('fieldManager'))
    return fault('FieldValueRequired', 'Required value: is required for apply patch', 'fieldManager');
  if (!apply && query.has('force'))
    return fault('FieldValueForbidden', 'Forbidden: may not be specified for non-apply patch', 'force');
  return [];
}

function managerFaults(manager: string): Cause[] {
  const errors = new FieldErrors();
  validateFieldManager(manager, path('fieldManager'), errors);
  return errors.list as Cause[];
}

export function dryRunFaults(dryRun: readonly string[]): Cause[] {
  if (dryRun.every(v => v === 'All')) return [];
  const message = `Unsupported value: [${dryRun.map(quote).join()}]: supported values: "All"`;
  return [{ reason: 'FieldValueNotSupported', message, field: 'dryRun' }];
}

export function writeContext(
  user: UserInfo,
  p: WriteParameters,
  subresource: string,
  options: Record<string, unknown>,
  warn: (m: string) => void,
): WriteContext {
  return { user, dryRun: p.dryRun, fieldManager: p.fieldManager, subresource, options, warn };
}
