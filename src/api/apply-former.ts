// What kubectl notes of its own applies, once it applies on the server's side.
import { jsonText } from '../base/json-text.ts';
import { parseExactJson } from '../base/whole-number.ts';
import { faultsOf } from './apply-check.ts';
import { FieldErrors, path } from './field-error.ts';
import { difference, emptySet, type FieldSet } from './field-set.ts';
import { diffObjects, ownableFields } from './managed-fields.ts';
import type { KubeObject, Mutable } from './meta.ts';
import { isPlain, type Plain } from './patch/plain.ts';
import { validateAnnotations } from './rule/meta.ts';
import type { Shape } from './shape.ts';

export interface FormerApply {
  readonly shape: Shape;
  /** OpenAPI name of a built-in type. */
  readonly typeName?: string;
  readonly live: KubeObject | undefined;
  /** What the applier sent: decoded, neither defaulted nor normalised. */
  readonly config: Plain;
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: string;
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
const manager = 'kubectl';

/** What `kubectl apply` said itself, and what is still as it said: it may change that whoever owns it. */
export function formerlyApplied(request: FormerApply): FieldSet {
  const { live, shape, apiVersion, config } = request;
  const annotation = live?.metadata.annotations?.[lastApplied];
  if (request.manager !== manager || !annotation) return emptySet;
  let former: unknown;
  try {
    former = parseExactJson(annotation);
  } catch {
    return emptySet;
  }
  if (!isPlain(former) || former.apiVersion !== apiVersion || former.kind !== config.kind) return emptySet;
  if (!isPlain(former.metadata) || faultsOf(shape, former)) return emptySet;
  const { changed, removed } = diffObjects({ ...request, old: former as unknown as KubeObject, updated: live! });
  return difference(difference(ownableFields(request, former), changed), removed);
}

/** An apply of kubectl keeps the note of former ones true, unless there is no room for it. */
export function noteApplied(object: Mutable<KubeObject>, { config, manager: by }: FormerApply): void {
  if (by !== manager || !object.metadata.annotations?.[lastApplied]) return;
  const annotations: Record<string, string> = { ...object.metadata.annotations, [lastApplied]: textOf(config) };
  const errors = new FieldErrors();
  validateAnnotations(annotations, path('metadata').child('annotations'), errors);
  if (!errors.empty) delete annotations[lastApplied];
  object.metadata.annotations = annotations;
}

function textOf({ metadata, ...config }: Plain): string {
  const { managedFields: _, annotations, ...rest } = metadata as Plain;
  const said = isPlain(annotations) ? { annotations: { ...annotations } } : {};
  if (said.annotations) delete said.annotations[lastApplied];
  return `${sortedJson({ ...config, metadata: { ...rest, ...said } })}\n`;
}

// Not by way of an object: its keys that look like numbers come first.
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join()}]`;
  if (!isPlain(value)) return jsonText(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map(key => `${jsonText(key)}:${sortedJson(value[key])}`).join()}}`;
}
