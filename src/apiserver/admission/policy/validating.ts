// ValidatingAdmissionPolicy: every binding of every policy that is about the request has its say.

import type { CelBindings } from '../../../api/cel/cel.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { StatusReason } from '../../../api/status.ts';
import { forbidden, StatusError } from '../../../api/status.ts';
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../api/type/admissionregistration-v1.ts';
import { append } from '../../../base/append.ts';
import { messageOf } from '../../../base/assert.ts';
import type { ApiContext } from '../../context.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { withAnswers } from '../cel-authorizer.ts';
import { isPolicyExempt, type Match } from '../match/match.ts';
import { asRequested } from '../webhook/dispatcher.ts';
import type { CompiledBinding, CompiledValidatingPolicy, CompiledValidation, PolicySource } from './compiled.ts';
import { Budget, checkConditions, evaluate, OUT_OF_BUDGET, withVariables } from './evaluation.ts';
import type { EnforcementAction, PolicyMetrics } from './metrics.ts';
import { checkParamKind, paramsOf } from './param.ts';
import { namespaceNameOf, policyMatchDeps, requestBindings } from './request-bindings.ts';

type Source = PolicySource<CompiledValidatingPolicy, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding>;
type Bound = CompiledBinding<ValidatingAdmissionPolicyBinding>;

interface Decision {
  readonly message: string;
  readonly reason: StatusReason;
  /** Of the validation among those of its policy. */
  readonly index: number;
  readonly seconds: number;
}

interface Denial extends Decision {
  readonly policy: string;
  readonly binding: string;
}

/** What one request's policies have said so far. */
interface Review {
  readonly attributes: AdmissionAttributes;
  readonly context: ApiContext;
  readonly metrics: PolicyMetrics | undefined;
  readonly denials: Denial[];
  /** Audit annotations by key; several values of one key are joined. */
  readonly published: Map<string, string[]>;
  readonly failures: object[];
  /** What is to be counted. */
  readonly checks: ((metrics: PolicyMetrics) => void)[];
}

const MAX_MESSAGE_BYTES = 5 * 1024;
const MAX_ANNOTATION = 10 * 1024;
const FAILURE_KEY = 'validation.policy.admission.k8s.io/validation_failure';
const CODES: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 };
const INVALID_CODE = 422;

export function validatingPolicies(source: Source, context: ApiContext, metrics?: PolicyMetrics): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: attributes => source.bound.length > 0 && !isPolicyExempt(attributes),
    validate(attributes) {
      const review: Review = {
        ...{ attributes, context, metrics, denials: [], published: new Map(), failures: [], checks: [] },
      };
      // Most requests concern no policy, and need not wait.
      const concerned = source.bound.flatMap(policy => {
        const match = matchOf(policy, review);
        return match ? [{ policy, match }] : [];
      });
      if (concerned.length > 0) return reviewAll(concerned, review);
      conclude(review);
    },
  };
}

interface Concerned {
  readonly policy: CompiledValidatingPolicy;
  readonly match: Match;
}

async function reviewAll(concerned: readonly Concerned[], review: Review): Promise<void> {
  for (const { policy, match } of concerned) await reviewPolicy(policy, match, review);
  conclude(review);
}

function conclude(review: Review): void {
  annotate(review);
  const [first] = review.denials;
  if (first) throw refusal(review.attributes, first);
}

function refusal(attributes: AdmissionAttributes, { policy, binding, message, reason }: Denial): StatusError {
  const by = binding ? ` with binding '${binding}'` : '';
  const text = `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`;
  const base = forbidden(attributes.resource, attributes.name, text);
  const details = { ...base.status.details, causes: [{ message: text }] };
  return new StatusError(CODES[reason] ?? INVALID_CODE, reason, base.message, details);
}

function annotate({ attributes, published, failures }: Review): void {
  for (const [key, values] of published) attributes.annotate?.(key, values.join(', '));
  // Kubernetes annotates one failure at a time, and the first value of a key stays.
  if (failures.length > 0) attributes.annotate?.(FAILURE_KEY, JSON.stringify(failures.slice(0, 1)));
}

// A policy that cannot be applied refuses, unless it is to be ignored then.
function misconfigured(policy: CompiledValidatingPolicy, binding: string, error: unknown, review: Review): void {
  if (policy.failsOpen) return;
  const what = binding ? 'binding' : 'policy';
  const message = `failed to configure ${what}: ${messageOf(error)}`;
  review.denials.push({ policy: policy.name, binding, message, reason: 'Invalid', index: 0, seconds: 0 });
}

function matchOf(policy: CompiledValidatingPolicy, review: Review): Match | undefined {
  try {
    const match = policy.matcher.match(asRequested(review.attributes), policyMatchDeps(review.context));
    if (match) checkParamKind(policy.paramKind, review.context);
    return match;
  } catch (error) {
    misconfigured(policy, '', error, review);
    return undefined;
  }
}

async function reviewPolicy(policy: CompiledValidatingPolicy, match: Match, review: Review): Promise<void> {
  const { attributes, context } = review;
  const requested = asRequested(attributes);
  let bindings: CelBindings | undefined;
  for (const bound of policy.bindings) {
    try {
      if (bound.matcher && !bound.matcher.match(requested, policyMatchDeps(context))) continue;
      const { paramRef } = bound.binding.spec;
      const params = paramsOf(policy.paramKind, paramRef, namespaceNameOf(attributes), context);
      bindings ??= await requestBindings(attributes, match, context);
      for (const param of params) await applyBinding(policy, bound, param, bindings, review);
    } catch (error) {
      misconfigured(policy, bound.name, error, review);
    }
  }
}

/** All that a binding says, or nothing of it: an evaluation may have to begin again. */
async function applyBinding(
  policy: CompiledValidatingPolicy,
  bound: Bound,
  param: KubeObject | null,
  request: CelBindings,
  review: Review,
): Promise<void> {
  const said = withAnswers(() => {
    const warnings: string[] = [];
    const attributes = { ...review.attributes, warn: (message: string) => warnings.push(message) };
    const part: Review = { ...review, attributes, denials: [], published: new Map(), failures: [], checks: [] };
    evaluateBinding(policy, bound, param, request, part);
    return { ...part, warnings };
  });
  const { denials, published, failures, warnings, checks } = said instanceof Promise ? await said : said;
  append(review.denials, denials);
  append(review.failures, failures);
  const { metrics } = review;
  if (metrics) for (const count of checks) count(metrics);
  for (const [key, values] of published) for (const value of values) publish(key, value, review);
  for (const message of warnings) review.attributes.warn(message);
}

function evaluateBinding(
  policy: CompiledValidatingPolicy,
  bound: Bound,
  param: KubeObject | null,
  request: CelBindings,
  review: Review,
): void {
  const bindings: CelBindings = policy.paramKind ? { ...request, params: param } : request;
  const since = stopwatch(review);
  const met = checkConditions(policy.conditions, bindings);
  if (!met.matches) {
    const [seconds, failed] = [since(), met.error !== ''];
    const { operation } = review.attributes;
    review.checks.push(({ conditions }) =>
      conditions(
        { kind: 'policy', name: policy.name, operation, type: 'validate' },
        { seconds, failed, excluded: !failed || policy.failsOpen },
      ),
    );
    if (failed && !policy.failsOpen)
      enforce(policy, bound, { message: met.error, reason: 'Invalid', index: 0, seconds }, review);
    return;
  }
  const all = withVariables(policy.variables, policy.variablesType, bindings);
  const budget = new Budget();
  const decided = policy.validations.map((validation, index) => {
    const took = stopwatch(review);
    const decision = decide(validation, index, all, budget);
    const seconds = took();
    review.context.counts.celEvaluation.observe(seconds);
    return decision && { ...decision, seconds };
  });
  // Nothing else counts then, whatever was found before.
  if (budget.exceeded) {
    const seconds = since();
    if (!policy.failsOpen)
      enforce(policy, bound, { message: OUT_OF_BUDGET, reason: 'Invalid', index: 0, seconds }, review);
    return;
  }
  for (const decision of decided)
    if (decision?.failed && policy.failsOpen) count(policy, bound, 'allow', decision, review);
    else if (decision) enforce(policy, bound, decision, review);
  for (const { annotation, expression } of policy.annotations) {
    const outcome = evaluate(expression, all, budget);
    if (outcome.error !== undefined) {
      if (!policy.failsOpen)
        deny(policy, bound, { message: outcome.error, reason: 'Invalid', index: 0, seconds: 0 }, review);
    } else if (typeof outcome.value === 'string') publish(`${policy.name}/${annotation.key}`, outcome.value, review);
  }
}

function publish(key: string, given: string, { published }: Review): void {
  const value = given.trim().slice(0, MAX_ANNOTATION);
  if (!value) return;
  const values = published.get(key);
  if (!values) published.set(key, [value]);
  else if (!values.includes(value)) values.push(value);
}

type Decided = Omit<Decision, 'seconds'> & {
  /** The expression could not be evaluated. */
  readonly failed?: boolean;
};

/** Undefined when the validation holds. */
function decide(
  { validation, expression, message }: CompiledValidation,
  index: number,
  bindings: CelBindings,
  budget: Budget,
): Decided | undefined {
  const outcome = evaluate(expression, bindings, budget);
  if (outcome.error !== undefined) return { message: outcome.error, reason: 'Invalid', index, failed: true };
  if (outcome.value === true) return undefined;
  const said = message && evaluate(message, bindings, budget);
  const computed = said && said.error === undefined && typeof said.value === 'string' ? usable(said.value) : '';
  const text = computed || validation.message?.trim() || `failed expression: ${validation.expression.trim()}`;
  return { message: text, reason: (validation.reason as StatusReason) ?? 'Invalid', index };
}

/** '' for a computed message nobody should see. */
function usable(text: string): string {
  const message = text.trim();
  return message.includes('\n') || Buffer.byteLength(message) > MAX_MESSAGE_BYTES ? '' : message;
}

function enforce(policy: CompiledValidatingPolicy, bound: Bound, decision: Decision, review: Review): void {
  const actions = bound.binding.spec.validationActions ?? [];
  for (const action of actions) {
    count(policy, bound, action.toLowerCase() as EnforcementAction, decision, review);
    if (action === 'Deny') deny(policy, bound, decision, review);
    else if (action === 'Warn')
      review.attributes.warn(
        `Validation failed for ValidatingAdmissionPolicy '${policy.name}' with binding '${bound.name}': ${decision.message}`,
      );
    else if (action === 'Audit')
      review.failures.push({
        message: decision.message,
        policy: policy.name,
        binding: bound.name,
        expressionIndex: decision.index,
        validationActions: actions,
      });
  }
}

function count(
  policy: CompiledValidatingPolicy,
  bound: Bound,
  action: EnforcementAction,
  { seconds }: Decision,
  { checks }: Review,
): void {
  checks.push(metrics => metrics.validated(policy.name, bound.name, { action, seconds }));
}

/** Gives the seconds since. */
function stopwatch({ context: { clock } }: Review): () => number {
  const startMs = clock.monotonic();
  return () => (clock.monotonic() - startMs) / 1000;
}

function deny(policy: CompiledValidatingPolicy, bound: Bound, decision: Decision, { denials }: Review): void {
  denials.push({ policy: policy.name, binding: bound.name, ...decision });
}
