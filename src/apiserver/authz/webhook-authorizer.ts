// Asks a server elsewhere: a SubjectAccessReview is posted, its answer kept for a while.
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Metrics } from '../../base/metrics.ts';
import { defaultBuckets } from '../../base/metrics.ts';
import { type ReviewKind, readReview } from '../extension/review-answer.ts';
import type { Attributes, Authorizer, ResolvedRules, RuleResolver, Verdict } from './authorizer.ts';
import type { WebhookPlan } from './configuration.ts';
import { conditionBindings, conditionsHold, reviewBody, reviewSpec, verdictOf } from './kernel/access-review.ts';

export interface WebhookAuthorizerOptions {
  readonly name: string;
  readonly plan: WebhookPlan;
  /** Posts JSON, again where that may help; rejects when the server cannot be asked. */
  post(body: unknown, timeoutMs: number): Promise<unknown>;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
}

const mostKept = 8192;
// Questions longer than this are not worth the memory.
const longestKept = 10_000;

/** Answers that are kept are given at once. */
export class WebhookAuthorizer implements Authorizer, RuleResolver {
  readonly #options: WebhookAuthorizerOptions;
  readonly #onError: Verdict['decision'];
  readonly #kept = new Map<string, { readonly verdict: Verdict; readonly untilMs: number }>();

  constructor(options: WebhookAuthorizerOptions) {
    this.#options = options;
    this.#onError = options.plan.failurePolicy === 'Deny' ? 'deny' : 'noOpinion';
  }

  authorize(attributes: Attributes): Verdict | Promise<Verdict> {
    const { plan, clock } = this.#options;
    if (plan.conditions.length) {
      try {
        if (!conditionsHold(plan.conditions, conditionBindings(attributes))) {
          this.#count(
            'apiserver_authorization_match_condition_exclusions_total',
            'Requests match conditions excluded.',
          );
          return { decision: 'noOpinion', reason: '' };
        }
      } catch (error) {
        this.#count(
          'apiserver_authorization_match_condition_evaluation_errors_total',
          'Match conditions that could not be evaluated.',
        );
        return { decision: this.#onError, reason: '', error: messageOf(error) };
      }
    }
    const spec = reviewSpec(attributes);
    const key = JSON.stringify(spec);
    const kept = this.#kept.get(key);
    if (kept && kept.untilMs > clock.monotonic()) return kept.verdict;
    this.#kept.delete(key);
    return this.#ask(reviewBody(plan.version, spec), key);
  }

  rulesFor(): ResolvedRules {
    return { rules: [], incomplete: true, errors: ['webhook authorizer does not support user rule resolution'] };
  }

  async #ask(body: object, key: string): Promise<Verdict> {
    const { plan, post, clock } = this.#options;
    const startMs = clock.monotonic();
    let verdict: Verdict;
    try {
      const review: ReviewKind = { group: 'authorization.k8s.io', version: plan.version, kind: 'SubjectAccessReview' };
      verdict = verdictOf(readReview(await post(body, plan.timeoutMs), review));
    } catch (error) {
      const message = messageOf(error);
      const result = message.includes('context deadline exceeded') ? 'timeout' : 'error';
      this.#asked(result, startMs);
      if (this.#onError === 'noOpinion')
        this.#result('apiserver_authorization_webhook_evaluations_fail_open_total', result);
      return { decision: this.#onError, reason: '', error: message };
    }
    this.#asked('success', startMs);
    const keptMs = verdict.decision === 'allow' ? plan.authorizedMs : plan.unauthorizedMs;
    if (!verdict.error && keptMs > 0 && key.length <= longestKept) {
      if (this.#kept.size >= mostKept) this.#kept.delete(this.#kept.keys().next().value!);
      this.#kept.set(key, { verdict, untilMs: clock.monotonic() + keptMs });
    }
    return verdict;
  }

  #asked(result: string, startMs: number): void {
    const { name, clock, metrics } = this.#options;
    this.#result('apiserver_authorization_webhook_evaluations_total', result);
    metrics
      ?.histogram(
        'apiserver_authorization_webhook_duration_seconds',
        'Time webhook authorizers took to answer.',
        ['name', 'result'],
        defaultBuckets,
      )
      .observe({ name, result }, (clock.monotonic() - startMs) / 1000);
  }

  #result(metric: string, result: string): void {
    const { name, metrics } = this.#options;
    metrics?.counter(metric, 'Questions to webhook authorizers.', ['name', 'result']).inc({ name, result });
  }

  #count(metric: string, help: string): void {
    const { name, metrics } = this.#options;
    metrics?.counter(metric, help, ['type', 'name']).inc({ type: 'Webhook', name });
  }
}
