// What a patch may do to an object's kind and apiVersion: nothing, but how that is said differs.
import { isPlain, type Plain } from '../api/patch/plain.ts';
import { apiVersionOf } from '../api/ref.ts';
import { internalError, invalid, type StatusError } from '../api/status.ts';
import type { Target } from './body.ts';
import { otherKind, unreadableKind } from './body-kind.ts';
import { nameless } from './registry/update.ts';

export interface PatchedKindOptions {
  readonly target: Target;
  readonly patch: 'json' | 'merge' | 'strategic';
  readonly subresource: string;
  /** The name in the path. */
  readonly name: string;
  refuse(why: string): StatusError;
}

/** The patched object as one of its kind. Throws 400, 422 and 500 in Kubernetes' words. */
export function keepKind(patched: unknown, options: PatchedKindOptions): unknown {
  if (!isPlain(patched)) return patched;
  const { kind, apiVersion } = patched;
  const expected = { kind: options.target.kind, apiVersion: apiVersionOf(options.target) };
  if (kind === expected.kind && apiVersion === expected.apiVersion) return patched;
  // A strategic patch goes into the struct, whose kind nobody reads.
  if (options.patch !== 'strategic' || !isText(kind) || !isText(apiVersion)) check(patched, options);
  return { ...patched, ...expected };
}

const isText = (value: unknown) => value === undefined || value === null || typeof value === 'string';

function check(patched: Plain, { target, subresource, name, refuse }: PatchedKindOptions): void {
  const { kind, apiVersion } = patched;
  const unreadable = unreadableKind(patched);
  if (unreadable) throw refuse(unreadable);
  if (target.custom) checkCustom(patched, target, subresource, refuse);
  else if (!apiVersion && kind) throw nameless(name);
  else if (kind) checkBuiltin(String(kind), String(apiVersion), target, refuse);
}

function checkCustom(patched: Plain, target: Target, subresource: string, refuse: (why: string) => StatusError): void {
  const { kind, apiVersion, metadata } = patched;
  if (!kind) throw refuse(`Object 'Kind' is missing in '${JSON.stringify(patched)}'`);
  if (!apiVersion) throw internalError("Object 'apiVersion' is missing in 'object has no apiVersion field'");
  // Of a write to the status nothing else is looked at.
  if (subresource === 'status') return;
  const [group = ''] = String(apiVersion).includes('/') ? String(apiVersion).split('/') : [];
  const causes = Object.entries({ kind: target.kind, apiVersion: apiVersionOf(target) })
    .filter(([field, expected]) => patched[field] !== expected)
    .map(([field, expected]) => {
      const message = `Invalid value: ${JSON.stringify(patched[field])}: must be ${expected}`;
      return { reason: 'FieldValueInvalid', message, field };
    });
  const name = isPlain(metadata) && typeof metadata.name === 'string' ? metadata.name : '';
  if (causes.length) throw invalid({ group, resource: String(kind) }, name, causes);
}

function checkBuiltin(kind: string, apiVersion: string, target: Target, refuse: (why: string) => StatusError): void {
  const why = otherKind(kind, apiVersion, target);
  if (why) throw refuse(why);
}
