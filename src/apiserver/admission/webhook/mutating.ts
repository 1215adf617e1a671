// MutatingAdmissionWebhook: asks one webhook after the other; each sees what those before it made of the object.

import type { KubeObject, Mutable } from '../../../api/meta.ts';
import { applyJsonPatch } from '../../../api/patch/json-patch.ts';
import { equalJson, textOf } from '../../../api/patch/plain.ts';
import { apiVersionOf } from '../../../api/ref.ts';
import { type Resource, resourceId } from '../../../api/resource.ts';
import { internalError, invalid, StatusError } from '../../../api/status.ts';
import type { Strategy } from '../../../api/strategy.ts';
import { jsonText } from '../../../base/json-text.ts';
import { draftFrom, type Target } from '../../body.ts';
import { groupVersionOf } from '../../body-kind.ts';
import { type ApiContext, registryFor } from '../../context.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { Match } from '../match/match.ts';
import {
  type Answer,
  concerns,
  type DispatcherDeps,
  type Invocation,
  inVersion,
  inVersionOf,
  isGenerated,
  placeOf,
  WebhookDispatcher,
} from './dispatcher.ts';
import type { Hook, HookSource } from './hook.ts';

/** What a second run has to know of the first. */
interface Round {
  /** Hooks that may be called again and have not seen what came after them. */
  readonly seen: Set<string>;
  readonly again: Set<string>;
  /** The object as the webhooks left it. */
  left: string;
}

export function mutatingWebhooks(source: HookSource, deps: DispatcherDeps): AdmissionPlugin {
  const dispatcher = new WebhookDispatcher(deps, true);
  const rounds = new WeakMap<AdmissionAttributes, Round>();
  return {
    name: 'MutatingAdmissionWebhook',
    handles: attributes => concerns(source, attributes),
    mutate(attributes) {
      const { hooks } = source;
      // What a webhook changes may concern those after it only: up to the first there is nothing to wait for.
      const again = attributes.reinvocation?.again ?? false;
      if (again && !rounds.has(attributes)) return;
      for (let i = 0; i < hooks.length; i++)
        if (again || dispatcher.select(hooks[i]!, attributes)) return run(hooks, i, attributes);
    },
  };

  async function run(hooks: readonly Hook[], from: number, attributes: AdmissionAttributes): Promise<void> {
    const { reinvocation } = attributes;
    const round = rounds.get(attributes) ?? { seen: new Set(), again: new Set(), left: '' };
    rounds.set(attributes, round);
    // Plugins of the server changed it meanwhile: all may be asked again.
    if (reinvocation?.again && JSON.stringify(attributes.object) !== round.left) requireAgain(round);
    for (let i = from; i < hooks.length; i++) {
      const hook = hooks[i]!;
      const match = dispatcher.select(hook, attributes);
      if (!match || (reinvocation?.again && !round.again.has(hook.id))) continue;
      const changed = await mutate({ hook, match, place: placeOf(i, reinvocation?.again) }, attributes);
      if (changed === 'skipped') continue;
      if (changed) {
        requireAgain(round);
        if (reinvocation) reinvocation.asked = true;
      }
      if (hook.reinvocable) round.seen.add(hook.id);
    }
    round.left = JSON.stringify(attributes.object) ?? '';
  }

  /** Whether the object is another now; for the audit log in any case. */
  async function mutate(invocation: Invocation, attributes: AdmissionAttributes): Promise<boolean | 'skipped'> {
    const { hook, place } = invocation;
    const said = { configuration: hook.configuration, webhook: hook.name };
    let asked = false;
    let mutated = false;
    try {
      const verdict = await dispatcher.ask(invocation, attributes, () => {
        asked = true;
      });
      if (verdict === 'skipped') return verdict;
      if (verdict) mutated = await applyVerdict(invocation, verdict, attributes, deps.context);
      return mutated;
    } finally {
      if (asked) attributes.annotate?.(`mutation.webhook.admission.k8s.io/${place}`, jsonText({ ...said, mutated }));
    }
  }
}

function requireAgain(round: Round): void {
  for (const id of round.seen) round.again.add(id);
  round.seen.clear();
}

/** Returns whether the object is another now. Throws 500 for a patch that cannot be applied. */
async function applyVerdict(
  { hook, match, place }: Invocation,
  verdict: Answer,
  attributes: AdmissionAttributes,
  context: ApiContext,
) {
  const { operations } = verdict;
  if (operations.length === 0) return false;
  const named = JSON.stringify(hook.name);
  const { object } = attributes;
  if (!object)
    return fail(`admission webhook ${named} attempted to modify the object, which is not supported for this operation`);
  if (verdict.patchType !== 'JSONPatch')
    return fail(`failed calling webhook ${named}: unsupported patch type ${JSON.stringify(verdict.patchType)}`);
  const before = await inVersionOf(match, object as KubeObject, attributes);
  const patched = patchWith(before, operations);
  const patch = operations.map(o => Object.fromEntries(Object.entries(o).sort(([a], [b]) => (a < b ? -1 : 1))));
  const said = { configuration: hook.configuration, webhook: hook.name, patch, patchType: verdict.patchType };
  attributes.annotate?.(`patch.webhook.admission.k8s.io/${place}`, jsonText(said), 'Request');
  if (equalJson(patched, before)) return false;
  await adopt(match, patched, attributes, context);
  return true;
}

function patchWith(before: KubeObject, operations: readonly unknown[]): unknown {
  try {
    return applyJsonPatch(before, operations);
  } catch (error) {
    throw internalError(error instanceof StatusError && error.cause instanceof Error ? error.cause : error);
  }
}

/**
 * Makes what was made of the object, in the form of the match, the request's object: decoded, defaulted, converted.
 * Throws a StatusError for what is no such object.
 */
export async function adopt(
  { kind, resource }: Match,
  patched: unknown,
  attributes: AdmissionAttributes,
  context: ApiContext,
): Promise<void> {
  const own = kind.kind === attributes.resource.kind;
  const form = own ? formOf(resource, patched as Partial<KubeObject>, context) : resource;
  const { version, custom } = own ? form : { ...kind, custom: undefined };
  if (custom) checkCustom(form, patched as Partial<KubeObject>);
  const target = { ...kind, version, custom };
  const typeName = context.table.typeNameOf(apiVersionOf(target), kind.kind) ?? '';
  let draft = decoded({ ...target, typeName }, own ? registryFor(context, form)?.strategy : undefined, patched);
  const wanted = attributes.object!.apiVersion;
  if (own && wanted && draft.apiVersion !== wanted) {
    draft = await inVersion(attributes.resource, draft as KubeObject);
    registryFor(context, attributes.resource)?.strategy.default?.(draft);
  }
  replaceContent(attributes, draft);
}

/** The resource in the version that the object says it is of now. */
function formOf(resource: Resource, { apiVersion }: Partial<KubeObject>, context: ApiContext): Resource {
  const said = { ...groupVersionOf(textOf(apiVersion)), resource: resource.resource };
  return (said.group === resource.group && context.resources.get(resourceId(said))) || resource;
}

/** A custom resource says what it is. */
function checkCustom(form: Resource, object: Partial<KubeObject>): void {
  const [kind, apiVersion] = [textOf(object.kind), textOf(object.apiVersion)];
  if (!kind) fail(`Object 'Kind' is missing in '${JSON.stringify(object)}'`);
  const { group, version } = groupVersionOf(apiVersion);
  if (apiVersion !== apiVersionOf(form))
    throw new StatusError(
      500,
      '',
      `${group}/${version}, Kind=${kind} is unstructured and is not suitable for converting to ${JSON.stringify(apiVersionOf(form))}`,
    );
  if (kind === form.kind) return;
  const message = `Invalid value: ${JSON.stringify(kind)}: must be ${form.kind}`;
  throw invalid({ group: form.group, resource: kind }, textOf(object.metadata?.name), [
    { reason: 'FieldValueInvalid', message, field: 'kind' },
  ]);
}

// Nulls stay and metadata that cannot be read goes, as of what is applied.
const decoding = { fieldValidation: 'Ignore', warn() {}, applied: true } as const;

function decoded(target: Target, strategy: Strategy | undefined, value: unknown): Mutable<KubeObject> {
  try {
    return draftFrom(target, strategy, value, decoding);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 400) throw error;
    return fail(error.message.replace(/^.*? cannot be handled as a \w+: /, ''));
  }
}

function fail(message: string): never {
  throw internalError(new Error(message));
}

/** In place: whoever made the request holds the object and its metadata. */
function replaceContent(attributes: AdmissionAttributes, next: Mutable<KubeObject>): void {
  const object = attributes.object as unknown as Record<string, unknown> & { metadata?: Record<string, unknown> };
  const { metadata } = object;
  const decided = attributes.operation === 'CREATE' && metadata ? { ...metadata } : undefined;
  const generated = isGenerated(attributes);
  for (const key of Object.keys(object)) if (key !== 'metadata') delete object[key];
  for (const [key, value] of Object.entries(next)) if (key !== 'metadata') object[key] = value;
  if (!metadata) {
    object.metadata = next.metadata as never;
    return;
  }
  for (const key of Object.keys(metadata)) delete metadata[key];
  Object.assign(metadata, next.metadata);
  if (!decided) return;
  for (const key of ['uid', 'creationTimestamp']) if (decided[key] !== undefined) metadata[key] = decided[key];
  if (generated && !metadata.name) metadata.name = decided.name;
}
