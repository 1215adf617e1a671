// Calls one webhook about one request, and says what came of it.

import { cloneDeep, type KubeObject, type Mutable } from '../../../api/meta.ts';
import { isQualifiedName } from '../../../api/name-rule.ts';
import { apiVersionOf } from '../../../api/ref.ts';
import type { Resource } from '../../../api/resource.ts';
import { badRequest, forbidden, internalError, StatusError } from '../../../api/status.ts';
import type { AdmissionReview } from '../../../api/type/admission-v1.ts';
import { messageOf } from '../../../base/assert.ts';
import { randomUuid } from '../../../base/random.ts';
import type { ApiContext } from '../../context.ts';
import type { WebhookClient } from '../../extension/webhook-client.ts';
import { convertObject } from '../../registry/versions.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { authorizerBindings, withAnswers } from '../cel-authorizer.ts';
import { isExempt, type Match, matcherOf } from '../match/match.ts';
import type { Conditions } from './conditions.ts';
import type { Hook, HookSource } from './hook.ts';
import {
  denial,
  operationsOf,
  type Reviewed,
  type ReviewVersion,
  readReview,
  requestOf,
  reviewOf,
  reviewVersion,
  type Verdict,
  verdictOf,
} from './kernel/review.ts';
import type { WebhookMetrics, WebhookType } from './metrics.ts';

export interface DispatcherDeps {
  readonly context: ApiContext;
  readonly client: WebhookClient;
  readonly metrics?: WebhookMetrics | undefined;
}

/** A webhook that is to be asked, and the form of the request it wants to see. */
export interface Invocation {
  readonly hook: Hook;
  readonly match: Match;
  /** As audit events name it: `round_0_index_2`. */
  readonly place: string;
}

/** What an allowed request is to become. */
export interface Answer {
  readonly operations: readonly object[];
  readonly patchType: string;
}

/** `index` among all webhooks that mutate, or among those that validate and are concerned. */
export const placeOf = (index: number, again = false): string => `round_${again ? 1 : 0}_index_${index}`;

const everything = matcherOf({ rules: [], noRulesMatchAll: true });

export class WebhookDispatcher {
  readonly #deps: DispatcherDeps;
  readonly #mutating: boolean;

  constructor(deps: DispatcherDeps, mutating: boolean) {
    this.#deps = deps;
    this.#mutating = mutating;
  }

  get #type(): WebhookType {
    return this.#mutating ? 'admit' : 'validating';
  }

  /** Undefined when the webhook is not concerned. Throws StatusError when that cannot be decided. */
  select(hook: Hook, attributes: AdmissionAttributes): Match | undefined {
    return hook.matcher.match(asRequested(attributes), {
      namespace: name => this.#deps.context.registries.get('/namespaces')?.cache.latest(name)?.object,
      resources: this.#deps.context.resources,
    });
  }

  /**
   * Asks, where the webhook's conditions hold. Gives undefined when it failed and that is to be ignored.
   * Throws StatusError: the denial, 403 for conditions that cannot be decided, 400 when it cannot take part in a dry run,
   * 500 when it failed. `begun`: called once its conditions hold.
   */
  async ask(
    { hook, match, place }: Invocation,
    attributes: AdmissionAttributes,
    begun?: () => void,
  ): Promise<Answer | 'skipped' | undefined> {
    const reviewed = await this.#review(match, attributes);
    if (hook.conditions && !(await this.#holds(hook.conditions, hook, reviewed))) return 'skipped';
    begun?.();
    if (attributes.dryRun && !hook.supportsDryRun)
      throw badRequest(`admission webhook ${JSON.stringify(hook.name)} does not support dry run`);
    const { metrics, context } = this.#deps;
    const labels = { name: hook.name, type: this.#type, operation: attributes.operation };
    const startMs = context.clock.monotonic();
    const called = (code: number, rejected: boolean) =>
      metrics?.called(labels, { seconds: (context.clock.monotonic() - startMs) / 1000, code, rejected });
    let verdict: Verdict;
    try {
      verdict = await this.#call(hook, reviewed);
    } catch (error) {
      const code = codeOf(error);
      called(code, !hook.failsOpen);
      if (!hook.failsOpen) metrics?.rejected(labels, 'calling_webhook_error', code);
      return this.#failed(hook, place, attributes, error as Error);
    }
    for (const [key, value] of Object.entries(verdict.auditAnnotations)) {
      const full = `${hook.name}/${key}`;
      if (isQualifiedName(full).length === 0) attributes.annotate?.(full, value);
    }
    for (const warning of verdict.warnings) attributes.warn(warning);
    if (!verdict.allowed) {
      const status = denial(hook.name, verdict.result);
      called(status.code, true);
      metrics?.rejected(labels, 'no_error', status.code);
      throw StatusError.from(status);
    }
    called(200, false);
    try {
      return {
        operations: verdict.patch === undefined ? [] : operationsOf(verdict.patch),
        patchType: verdict.patchType,
      };
    } catch (error) {
      const why = `received undecodable patch in webhook response: ${messageOf(error)}`;
      const failure = new Error(`failed calling webhook ${JSON.stringify(hook.name)}: ${why}`, { cause: error });
      if (!hook.failsOpen) metrics?.rejected(labels, 'calling_webhook_error', 0);
      return this.#failed(hook, place, attributes, failure);
    }
  }

  async #review(match: Match, attributes: AdmissionAttributes): Promise<Reviewed> {
    const { object, old } = attributes;
    const shown = object && this.#mutating ? unfinished(attributes) : object;
    return {
      uid: randomUuid(this.#deps.context.random),
      attributes,
      match,
      requested: everything.match(asRequested(attributes), { namespace: () => undefined, resources: new Map() })!,
      object: shown && (await inVersionOf(match, shown as KubeObject, attributes)),
      old: old && (await inVersionOf(match, old, attributes)),
      // Who validates knows the name that was made.
      name: this.#mutating && isGenerated(attributes) ? '' : attributes.name,
    };
  }

  async #holds(conditions: Conditions, hook: Hook, reviewed: Reviewed): Promise<boolean> {
    const { attributes, object = null, old = null } = reviewed;
    const bindings = {
      object,
      oldObject: old,
      request: () => requestOf(reviewed),
      ...authorizerBindings(this.#deps.context.authorizer, attributes),
    };
    const { clock } = this.#deps.context;
    const startMs = clock.monotonic();
    const unmet = (failed: boolean) =>
      this.#deps.metrics?.conditions(
        { kind: 'webhook', name: hook.name, operation: attributes.operation, type: this.#type },
        { seconds: (clock.monotonic() - startMs) / 1000, failed, excluded: !failed || hook.failsOpen },
      );
    try {
      const hold = await withAnswers(() => conditions.hold(bindings));
      if (!hold) unmet(false);
      return hold;
    } catch (error) {
      unmet(true);
      if (hook.failsOpen) return false;
      throw forbidden(attributes.resource, attributes.name, messageOf(error));
    }
  }

  async #call(hook: Hook, reviewed: Reviewed): Promise<Verdict> {
    try {
      const version = reviewVersion(hook.webhook.admissionReviewVersions);
      const review = reviewOf(version, reviewed);
      const answer = await this.#answer(hook, version, review).catch(error => {
        throw new Error(`failed to call webhook: ${messageOf(error)}`, { cause: error });
      });
      try {
        return verdictOf(version, reviewed.uid, this.#mutating, answer);
      } catch (error) {
        throw new Error(`received invalid webhook response: ${messageOf(error)}`, { cause: error });
      }
    } catch (error) {
      throw new Error(`failed calling webhook ${JSON.stringify(hook.name)}: ${messageOf(error)}`, { cause: error });
    }
  }

  async #answer(hook: Hook, version: ReviewVersion, review: object): Promise<AdmissionReview> {
    return readReview(version, await this.#deps.client.post(hook.webhook.clientConfig, review, hook.timeoutMs));
  }

  #failed(hook: Hook, place: string, attributes: AdmissionAttributes, error: Error): undefined {
    if (!hook.failsOpen) throw internalError(error);
    this.#deps.metrics?.failedOpen({ name: hook.name, type: this.#type });
    const phase = this.#mutating ? 'mutation' : 'validating';
    attributes.annotate?.(`failed-open.${phase}.webhook.admission.k8s.io/${place}`, hook.name);
    this.#deps.context.log.warn('a webhook failed; going on without it', { webhook: hook.name, error: error.message });
    return undefined;
  }
}

/** What the webhook answered instead of a review; 0 when it did not. */
function codeOf(error: unknown): number {
  for (let e = error; e instanceof Error; e = e.cause) if (e instanceof StatusError) return e.code;
  return 0;
}

/** Whether there is anything to look at; cheap. */
export function concerns(source: HookSource, attributes: AdmissionAttributes): boolean {
  return source.hooks.length > 0 && !isExempt(attributes);
}

/** As the client asked it: rules match the resource in the version of the request. */
export function asRequested(attributes: AdmissionAttributes): AdmissionAttributes {
  const { requested } = attributes;
  return requested && requested !== attributes.resource ? { ...attributes, resource: requested } : attributes;
}

/** What subresources take has one version only. */
export async function inVersionOf(
  match: Match,
  object: KubeObject,
  { resource }: AdmissionAttributes,
): Promise<Mutable<KubeObject>> {
  const wanted = apiVersionOf(match.kind);
  if (match.kind.kind !== resource.kind || !object.apiVersion || object.apiVersion === wanted)
    return object as Mutable<KubeObject>;
  return inVersion(match.resource, object);
}

/** A copy in the version of a resource of the same kind. */
export async function inVersion(resource: Resource, object: KubeObject): Promise<Mutable<KubeObject>> {
  const { custom } = resource;
  if (!custom) return convertObject(object, apiVersionOf(resource));
  // A copy of its own: what is known of an object is remembered, and this one still changes.
  const copy = cloneDeep(object) as KubeObject;
  await custom.prepare([copy]);
  return cloneDeep(custom.show(copy)) as Mutable<KubeObject>;
}

const suffixLength = 5;

/** The name that was made for a generateName. */
export function isGenerated({ operation, object, subresource }: AdmissionAttributes): boolean {
  if (operation !== 'CREATE' || subresource || !object?.metadata?.generateName) return false;
  const { name = '', generateName } = object.metadata;
  return name.length > suffixLength && generateName.startsWith(name.slice(0, -suffixLength));
}

/** Those who mutate see a new object without what the server decides. */
function unfinished(attributes: AdmissionAttributes): object {
  const object = attributes.object!;
  if (attributes.operation !== 'CREATE' || !object.metadata) return object;
  const { uid: _uid, creationTimestamp: _created, name, ...metadata } = object.metadata;
  return {
    ...object,
    metadata: {
      ...(name && (attributes.reinvocation?.again || !isGenerated(attributes)) ? { name } : {}),
      ...metadata,
    },
  };
}
