// The PATCH verb: media types to transforms of the current object.

import { applyConfiguration } from '../api/apply.ts';
import { kindText } from '../api/apply-check.ts';
import { cannotHold, NumberTooLarge, type Parsed, parseJson, parseYaml, strictErrors } from '../api/decode.ts';
import { shapeOf } from '../api/field-diff.ts';
import { formatTime, type KubeObject, type Mutable } from '../api/meta.ts';
import { goText } from '../api/patch/go-text.ts';
import { applyJsonPatch } from '../api/patch/json-patch.ts';
import { applyMergePatch } from '../api/patch/merge-patch.ts';
import { isPlain, jsonKind, setKey, textOf } from '../api/patch/plain.ts';
import { applyStrategicMergePatch } from '../api/patch/strategic-merge-patch.ts';
import { apiVersionOf } from '../api/ref.ts';
import type { Resource } from '../api/resource.ts';
import { badRequest, invalid, StatusError, unsupportedMediaType } from '../api/status.ts';
import type { Strategy } from '../api/strategy.ts';
import { own } from '../base/own.ts';
import { writtenJson } from '../base/written-number.ts';
import { type DraftOptions, draftFrom, targetOf } from './body.ts';
import { keepKind } from './patched-kind.ts';
import { acrossVersions } from './registry/managers.ts';
import type { WriteContext } from './registry/registry.ts';
import { checkName, nameless } from './registry/update.ts';
import { strategicFault } from './strategic-fault.ts';
import { cutNumbers, hasLarge } from './strategic-number.ts';

export type PatchKind = 'json' | 'merge' | 'strategic';

const mediaTypes: Record<string, PatchKind> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

export const applyMediaType = 'application/apply-patch+yaml';

export interface ApplyOptions {
  readonly context: WriteContext;
  readonly name: string;
  readonly force: boolean;
  readonly draft: DraftOptions;
  now(): number;
}

/** Server-side apply of a body in YAML or JSON. Throws 400 for one that is no object of the resource. */
export function applyTransform(resource: Resource, strategy: Strategy, body: Uint8Array, options: ApplyOptions) {
  const { value, ...given } = parseYaml(body);
  const { fieldValidation, warn } = options.draft;
  if (given.duplicates.length && fieldValidation !== 'Ignore') {
    const twice = strictErrors(given);
    const why = `error converting YAML to JSON: yaml: unmarshal errors:\n${twice.map(error => `  ${error}`).join('\n')}`;
    if (fieldValidation === 'Strict') throw badRequest(`error strict decoding YAML: ${why}`);
    for (const error of twice) warn(error);
  }
  return applyOf(resource, strategy, value, options);
}

/** Throws 400 for a configuration of something else. */
export function checkType(resource: Pick<Resource, 'group' | 'version' | 'kind'>, value: unknown): void {
  if (!isPlain(value) && value !== null) {
    const why = `json: cannot unmarshal ${jsonKind(value)} into Go value of type map[string]interface {}`;
    throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`);
  }
  const apiVersion = textOf(value?.apiVersion);
  const kind = textOf(value?.kind);
  if (apiVersion === apiVersionOf(resource) && kind === resource.kind) return;
  if (apiVersion.split('/').length > 2) throw badRequest('invalid object type: /, Kind=');
  const version = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  throw badRequest(`invalid object type: ${version}, Kind=${kind}`);
}

/** The same for a configuration that is parsed already. */
export function applyOf(resource: Resource, strategy: Strategy, value: unknown, options: ApplyOptions) {
  const { context, name, force, draft } = options;
  checkType(resource, value);
  const { metadata, ...rest } = value as Record<string, unknown>;
  const config = metadata === null || metadata === undefined ? rest : { ...rest, metadata };
  const target = targetOf(resource);
  const refusing = resource.custom ? {} : { refuse: (why: string) => inconvertible(resource, config, why) };
  const checked = (object: Mutable<KubeObject>): Mutable<KubeObject> => {
    if (!object.metadata.name) throw nameless(name);
    checkName(object as KubeObject, name);
    return object;
  };
  return (live: KubeObject | undefined): Mutable<KubeObject> | Promise<Mutable<KubeObject>> => {
    const made = acrossVersions(resource, inVersion =>
      applyConfiguration({
        shape: resource.custom?.shape ?? shapeOf(resource.typeName),
        ...(resource.custom ? {} : { typeName: resource.typeName }),
        inVersion,
        live,
        config,
        manager: context.fieldManager,
        apiVersion: apiVersionOf(resource),
        subresource: context.subresource,
        force,
        time: formatTime(options.now()),
        complete: merged => draftFrom(target, strategy, merged, { ...draft, applied: true, ...refusing }),
      }),
    );
    return made instanceof Promise ? made.then(checked) : checked(made);
  };
}

/** Of a configuration that has the form of its kind, and values that its fields do not take. */
function inconvertible(resource: Resource, { metadata }: { readonly metadata?: unknown }, why: string): StatusError {
  const { name, namespace } = isPlain(metadata) ? metadata : {};
  const kind = kindText(apiVersionOf(resource), resource.kind);
  // Values are converted one by one, from no text and into no struct.
  const told = why
    .replace(/^json: cannot unmarshal number .* of type (u?int\d+)$/, 'cannot convert float64 to $1')
    .replace(/ into Go struct field \S+ of type string$/, ' into Go value of type string')
    .replace(/^illegal base64/, 'error decoding from json: $&');
  return new StatusError(
    500,
    '',
    `failed to convert new object (${textOf(namespace)}/${textOf(name)}; ${kind}) to proper version: unable to convert unstructured object to ${kind}: ${told}`,
  );
}

/** Throws 415 for a media type the resource does not take; the transform throws 400 and 422 for a patch that is none, or does not fit. */
export function patchTransform(
  resource: Resource,
  strategy: Strategy,
  body: Uint8Array,
  contentType: string | undefined,
  options: DraftOptions,
  subresource: string,
) {
  const kind = patchKindOf(contentType, Boolean(resource.typeName));
  let patch: ReturnType<typeof patchOf> | undefined;
  return (current: KubeObject | undefined) => {
    if (!patch) {
      const { value, ...given } = parsePatch(body, kind, !resource.custom);
      patch =
        kind === 'json'
          ? patchOf(
              resource,
              strategy,
              kind,
              value,
              { ...options, patchFaults: operationFaults(value, given) },
              [],
              subresource,
            )
          : patchOf(resource, strategy, kind, value, options, given.duplicates, subresource);
    }
    return patch(current);
  };
}

const operationFields = new Set(['op', 'path', 'value', 'from']);

/** Fields that no operation of a JSON patch has, or that one has twice. */
function operationFaults(patch: unknown, given: Omit<Parsed, 'value'>): string[] {
  const operations = Array.isArray(patch) ? patch : [];
  const fields = operations.flatMap((o, i) =>
    isPlain(o) ? Object.keys(o).map(field => ({ field, at: `[${i}].${field}` })) : [],
  );
  const unknown = fields.filter(f => !operationFields.has(f.field)).map(f => f.at);
  return strictErrors({ ...given, unknown }).map(error => `json patch ${error}`);
}

/** Throws 400 for what is no JSON, worded for the kind of patch; `written`: of a built-in kind. */
export function parsePatch(body: Uint8Array, kind: PatchKind, written = false) {
  const saying = kind === 'strategic' ? '' : 'error decoding patch: ';
  try {
    return parseJson(body, { numbers: kind === 'strategic' ? 'exact' : written ? 'written' : 'wide' });
  } catch (error) {
    if (error instanceof NumberTooLarge)
      throw badRequest(saying + cannotHold(error.number, kind === 'json' ? 'struct field jsonPatchOp.value' : 'value'));
    const why = /json parse error: (.*)$/s.exec((error as Error).message)?.[1];
    throw why ? badRequest(saying + why) : error;
  }
}

/** Throws 415 for what is no patch; `strategic`: whether the kind takes strategic merge patches. */
export function patchKindOf(contentType: string | undefined, strategic: boolean): PatchKind {
  const kind = own(mediaTypes, mediaTypeOf(contentType));
  if (kind && (strategic || kind !== 'strategic')) return kind;
  // Kubernetes' router turns what no built-in kind takes away before anything looks at it.
  if (strategic) throw new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {});
  throw unsupportedMediaType([...Object.keys(mediaTypes).filter(t => mediaTypes[t] !== 'strategic'), applyMediaType]);
}

export const isApply = (contentType: string | undefined): boolean => mediaTypeOf(contentType) === applyMediaType;

const mediaTypeOf = (contentType = ''): string => contentType.split(';', 1)[0]!.trim();

export function patchOf(
  resource: Resource,
  strategy: Strategy,
  kind: PatchKind,
  patch: unknown,
  options: DraftOptions,
  /** Fields the patch gives twice. */
  duplicates: string[] = [],
  subresource = '',
) {
  return (current: KubeObject | undefined): Mutable<KubeObject> => {
    const patched = patchedBy(kind, resource.typeName, current, patch);
    const refuse = refusalOf(kind, resource.typeName, patch, patched);
    const target = targetOf(resource);
    const name = current?.metadata.name ?? '';
    const kept = keepKind(patched, { target, patch: kind, subresource, name, refuse });
    const heldSpec = subresource === 'status' && isPod(resource) ? specOf(current) : undefined;
    return draftFrom(target, strategy, kept, { ...options, refuse, heldSpec }, { duplicates });
  };
}

// Of other kinds the defaults may look from one half of the object at the other.
const isPod = ({ typeName }: Resource) => typeName === 'io.k8s.api.core.v1.Pod';
const specOf = (object: KubeObject | undefined) => (object as { readonly spec?: object } | undefined)?.spec;

/** Throws 400 and 422 for a patch that does not fit. */
export function patchedBy(kind: PatchKind, typeName: string, base: unknown, patch: unknown): unknown {
  if (kind === 'json') return applyJsonPatch(base, patch);
  if (kind === 'merge') return applyMergePatch(base, patch);
  const merged = applyStrategicMergePatch(typeName, base, patch);
  return hasLarge(patch) ? cutNumbers({ kind: 'struct', name: typeName }, merged) : merged;
}

/** What a patch makes of an object is invalid rather than a bad request, and quoted; of a strategic one, the patch. */
export function refusalOf(
  kind: PatchKind,
  typeName: string,
  patch: unknown,
  patched: unknown,
): (why: string) => StatusError {
  return why => {
    const quoted = JSON.stringify(kind === 'strategic' ? goText(patch) : writtenJson(inOrder(patched)));
    const message = `Invalid value: ${quoted}: ${kind === 'strategic' ? strategicFault(why, patch, typeName) : why}`;
    return invalid({ group: '', resource: '' }, '', [{ reason: 'FieldValueInvalid', message, field: 'patch' }]);
  };
}

// Go writes the keys of a patched document in order.
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isPlain(value)) return value;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) setKey(out, key, inOrder(value[key]));
  return out;
}
