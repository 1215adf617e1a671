// horizontal-pod-autoscaler-controller: scales a target so that its metrics come to what is wanted of them.

import { parseLabelSelector, type Selector } from '../../api/label-selector.ts';
import type { KubeObject } from '../../api/meta.ts';
import { type Draft, formatTime, keyOf, type ObjectKey, parseKey } from '../../api/meta.ts';
import { parseQuantity } from '../../api/quantity.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { autoscalingV2, coreV1 } from '../../api/refs.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler, MetricStatus } from '../../api/type/autoscaling-v2.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { ApiKinds } from './api-kinds.ts';
import { AutoscalerMetrics, type Outcome } from './autoscaler-metrics.ts';
import { type EvaluationInput, evaluateMetric, MetricFailure } from './evaluate-metric.ts';
import { noteChange, type PaceMemory, pace } from './kernel/pace.ts';
import { type Delays, defaultDelays } from './kernel/pod-metric.ts';
import type { Tolerances } from './kernel/replica-count.ts';
import { StatusDraft } from './kernel/status-draft.ts';
import { MetricsSource } from './metrics-source.ts';

export interface PodAutoscalerOptions {
  /** Default 15 s. */
  readonly syncPeriodMs?: number;
  /** Default 5 min. */
  readonly downscaleStabilizationMs?: number;
  /** Default 0.1. */
  readonly tolerance?: number;
  readonly delays?: Partial<Delays>;
  /** HPAConfigurableTolerance; default on. */
  readonly usesToleranceFields?: boolean;
}

export function horizontalPodAutoscalerController(options: PodAutoscalerOptions = {}): Controller {
  const { syncPeriodMs = 15_000 } = options;
  return {
    name: 'horizontal-pod-autoscaler-controller',
    queue: 'horizontalpodautoscaler',
    serviceAccount: 'horizontal-pod-autoscaler',
    component: 'horizontal-pod-autoscaler',
    watches: [
      { resource: autoscalingV2.horizontalpodautoscalers, keys: (o, _, __, deleted) => (deleted ? [keyOf(o)] : []) },
    ],
    reads: [coreV1.pods],
    writes: ['horizontalpodautoscalers.autoscaling/status', '*/scale', 'events'],
    create: context => new PodAutoscaler(context, { ...options, syncPeriodMs }),
  };
}

interface Remembered extends PaceMemory {
  /** Of the target's pods, as last seen. */
  selector?: Selector;
}

interface Decision {
  readonly replicas: number;
  readonly reason: string;
}

/** Ends a round whose status has been written: what it ends with has been told. */
class RoundOver extends Error {
  override name = 'RoundOver';
}

class PodAutoscaler {
  readonly #context: ControllerContext;
  readonly #o: PodAutoscalerOptions & { readonly syncPeriodMs: number };
  readonly #kinds: ApiKinds;
  readonly #source: MetricsSource;
  readonly #metrics: AutoscalerMetrics;
  readonly #memory = new Map<string, Remembered>();

  constructor(context: ControllerContext, options: PodAutoscalerOptions & { readonly syncPeriodMs: number }) {
    this.#context = context;
    this.#o = options;
    this.#kinds = new ApiKinds(context.client, context.clock);
    this.#source = new MetricsSource(context.client);
    this.#metrics = new AutoscalerMetrics(context.metrics);
    // Metrics want time after any change.
    const later = (o: KubeObject) => context.enqueue(keyOf(o), options.syncPeriodMs);
    context.observe(autoscalingV2.horizontalpodautoscalers, { onAdd: later, onUpdate: later, onDelete: () => {} });
  }

  async reconcile(key: string): Promise<Result | undefined> {
    const hpa = this.#context.lister(autoscalingV2.horizontalpodautoscalers).get(key);
    if (!hpa) {
      this.#memory.delete(key);
      this.#metrics.forget(parseKey(key));
      return undefined;
    }
    const status = new StatusDraft(hpa, formatTime(this.#context.clock.now()));
    const startMs = this.#context.clock.monotonic();
    let outcome: Outcome = { action: 'none', error: 'none' };
    try {
      outcome = { ...outcome, action: await this.#round(hpa, key, status) };
    } catch (error) {
      outcome = { ...outcome, error: 'internal' };
      // Told by event and condition; the next round comes at its own time, not sooner.
      const level = error instanceof RoundOver ? 'debug' : 'info';
      this.#context.log[level]('scaling failed, will try again', { key, error: messageOf(error) });
    }
    this.#metrics.reconciled(outcome, (this.#context.clock.monotonic() - startMs) / 1000);
    this.#metrics.wanted(hpa, status.finish().desiredReplicas ?? 0);
    return { requeueAfterMs: this.#o.syncPeriodMs };
  }

  async #round(hpa: HorizontalPodAutoscaler, key: string, status: StatusDraft): Promise<Outcome['action']> {
    const { scale, resource } = await this.#scaleOf(hpa, status);
    const current = scale.spec?.replicas ?? 0;
    const nowMs = this.#context.clock.now();
    const memory = this.#memory.getOrInsertComputed(key, () => ({
      recommendations: [{ atMs: nowMs, replicas: current }],
      ups: [],
      downs: [],
    }));
    const decision = await this.#decide(hpa, key, scale, memory, status);
    const rescales = decision !== undefined && decision.replicas !== current;
    if (rescales) await this.#rescale(hpa, resource, scale, decision, memory, status);
    status.replicas(current, rescales ? decision.replicas : decision ? current : 0);
    if (rescales) status.scaledNow();
    await this.#write(hpa, status);
    if (!rescales) return 'none';
    return decision.replicas > current ? 'scale_up' : 'scale_down';
  }

  async #scaleOf(
    hpa: HorizontalPodAutoscaler,
    status: StatusDraft,
  ): Promise<{ scale: Scale; resource: ResourceRef<KubeObject> }> {
    const { kind, name, apiVersion = '' } = hpa.spec.scaleTargetRef;
    try {
      if (apiVersion.split('/').length > 2) throw new Error(`unexpected GroupVersion string: ${apiVersion}`);
      const resource = await this.#kinds.find(apiVersion || 'v1', kind);
      const target: ObjectKey = { namespace: hpa.metadata.namespace!, name };
      const scale = await this.#context.client.getSubresource<Scale>(resource, target, 'scale');
      status.condition(
        'AbleToScale',
        true,
        'SucceededGetScale',
        "the HPA controller was able to get the target's current scale",
      );
      return { scale, resource };
    } catch (error) {
      const text = messageOf(error);
      this.#context.events.event(hpa, 'Warning', 'FailedGetScale', text);
      const message = `the HPA controller was unable to get the target's current scale: ${text}`;
      status.condition('AbleToScale', false, 'FailedGetScale', message);
      await this.#write(hpa, status);
      throw new RoundOver(text);
    }
  }

  /** undefined: the target is switched off. Throws when no metric says anything. */
  async #decide(
    hpa: HorizontalPodAutoscaler,
    key: string,
    scale: Scale,
    memory: Remembered,
    status: StatusDraft,
  ): Promise<Decision | undefined> {
    const { minReplicas = 1, maxReplicas } = hpa.spec;
    const current = scale.spec?.replicas ?? 0;
    status.metrics = undefined;
    if (current === 0 && minReplicas !== 0) {
      const message = 'scaling is disabled since the replica count of the target is zero';
      status.condition('ScalingActive', false, 'ScalingDisabled', message);
      return undefined;
    }
    if (current > maxReplicas)
      return { replicas: maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas' };
    if (current < minReplicas)
      return { replicas: minReplicas, reason: 'Current number of replicas below Spec.MinReplicas' };
    const wanted = await this.#byMetrics(hpa, key, scale, memory, status);
    const reason = wanted.replicas > current ? `${wanted.name} above target` : 'All metrics below target';
    const paced = pace({
      spec: hpa.spec,
      memory,
      currentReplicas: current,
      wantedReplicas: wanted.replicas,
      nowMs: this.#context.clock.now(),
      downscaleStabilizationMs: this.#o.downscaleStabilizationMs ?? 300_000,
    });
    status.condition('AbleToScale', true, paced.able.reason, paced.able.message);
    status.condition('ScalingLimited', paced.limited.is, paced.limited.reason, paced.limited.message);
    return { replicas: paced.replicas, reason };
  }

  async #byMetrics(
    hpa: HorizontalPodAutoscaler,
    key: string,
    scale: Scale,
    memory: Remembered,
    status: StatusDraft,
  ): Promise<{ replicas: number; name: string }> {
    const specs = hpa.spec.metrics ?? [];
    const current = scale.spec?.replicas ?? 0;
    const statuses: MetricStatus[] = specs.map(() => ({ type: '' }));
    const failures: MetricFailure[] = [];
    let best: { replicas: number; name: string } | undefined;
    try {
      const input = this.#input(hpa, key, scale, memory, status);
      for (const [i, spec] of specs.entries()) {
        try {
          const found = await this.#metrics.timed(spec.type, this.#context.clock, () => evaluateMetric(spec, input));
          statuses[i] = found.status;
          if (!best || best.replicas === 0 || found.replicas > best.replicas) best = found;
        } catch (error) {
          if (!(error instanceof MetricFailure)) throw error;
          this.#context.events.event(hpa, 'Warning', error.reason, error.message);
          failures.push(error);
        }
      }
      status.metrics = statuses;
      if (failures.length === 0 && best) {
        this.#found(status, best.name);
        return best;
      }
      // What is unknown might ask for more: up with what is known, never down.
      const [first] = failures;
      if (best && best.replicas >= current) {
        this.#found(status, best.name);
        return best;
      }
      const message = first ? `the HPA was unable to compute the replica count: ${first.message}` : '';
      if (first) status.condition('ScalingActive', false, first.reason, message);
      const words = first?.outer ? `${first.outer}: ${first.message}` : first?.message;
      throw new Error(`invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${words}`);
    } catch (error) {
      status.metrics = statuses;
      status.replicas(current);
      await this.#write(hpa, status);
      this.#context.events.event(hpa, 'Warning', 'FailedComputeMetricsReplicas', messageOf(error));
      throw new RoundOver(`failed to compute desired number of replicas based on listed metrics: ${messageOf(error)}`);
    }
  }

  #found(status: StatusDraft, metric: string): void {
    const message = `the HPA was able to successfully calculate a replica count from ${metric}`;
    status.condition('ScalingActive', true, 'ValidMetricFound', message);
  }

  #input(
    hpa: HorizontalPodAutoscaler,
    key: string,
    scale: Scale,
    memory: Remembered,
    status: StatusDraft,
  ): EvaluationInput {
    const namespace = hpa.metadata.namespace!;
    const text = scale.status?.selector ?? '';
    const refuse = (reason: string, eventReason: string, event: string, message = event): never => {
      this.#context.events.event(hpa, 'Warning', eventReason, event);
      status.condition('ScalingActive', false, reason, message);
      throw new Error(event);
    };
    if (!text) {
      const message = "the HPA target's scale is missing a selector";
      refuse('InvalidSelector', 'SelectorRequired', 'selector is required', message);
    }
    let selector: Selector;
    try {
      selector = parseLabelSelector(text);
    } catch (error) {
      const words = `couldn't convert selector into a corresponding internal selector object: ${messageOf(error)}`;
      return refuse('InvalidSelector', 'InvalidSelector', words);
    }
    memory.selector = selector;
    const pods = this.#context
      .lister(coreV1.pods)
      .list(namespace)
      .filter(p => selector.matches(p.metadata.labels));
    const rivals = this.#rivals(key, namespace, pods);
    if (rivals.length > 1) {
      const names = rivals.map(r => `{${parseKey(r).name} ${namespace}}`).join(' ');
      const words = `pods by selector ${text} are controlled by multiple HPAs: [${names}]`;
      refuse('AmbiguousSelector', 'AmbiguousSelector', words);
    }
    return {
      namespace,
      selector: text,
      currentReplicas: scale.spec?.replicas ?? 0,
      statusReplicas: scale.status?.replicas ?? 0,
      pods,
      tolerances: this.#tolerances(hpa),
      delays: { ...defaultDelays, ...this.#o.delays },
      nowMs: this.#context.clock.now(),
      source: this.#source,
      kinds: this.#kinds,
    };
  }

  /** Every autoscaler whose target has one of these pods, this one included. */
  #rivals(key: string, namespace: string, pods: readonly Pod[]): string[] {
    const others = [...this.#memory].filter(
      ([other, { selector }]) =>
        other === key ||
        (other.startsWith(`${namespace}/`) && selector && pods.some(p => selector.matches(p.metadata.labels))),
    );
    return others.map(([name]) => name).sort();
  }

  #tolerances({ spec: { behavior } }: HorizontalPodAutoscaler): Tolerances {
    const fallback = this.#o.tolerance ?? 0.1;
    const of = (text: string | undefined) =>
      text === undefined || this.#o.usesToleranceFields === false ? fallback : parseQuantity(text).toNumber();
    return { up: of(behavior?.scaleUp?.tolerance), down: of(behavior?.scaleDown?.tolerance) };
  }

  async #rescale(
    hpa: HorizontalPodAutoscaler,
    resource: ResourceRef<KubeObject>,
    scale: Scale,
    { replicas, reason }: Decision,
    memory: Remembered,
    status: StatusDraft,
  ): Promise<void> {
    const { client, events, clock } = this.#context;
    const current = scale.spec?.replicas ?? 0;
    const target = { namespace: hpa.metadata.namespace!, name: hpa.spec.scaleTargetRef.name };
    try {
      await client.updateSubresource(resource, target, 'scale', { ...scale, spec: { ...scale.spec, replicas } });
    } catch (error) {
      const text = messageOf(error);
      events.event(hpa, 'Warning', 'FailedRescale', `New size: ${replicas}; reason: ${reason}; error: ${text}`);
      const message = `the HPA controller was unable to update the target scale: ${text}`;
      status.condition('AbleToScale', false, 'FailedUpdateScale', message);
      status.replicas(current);
      await this.#write(hpa, status);
      throw new RoundOver(`failed to rescale: ${text}`);
    }
    const message = `the HPA controller was able to update the target scale to ${replicas}`;
    status.condition('AbleToScale', true, 'SucceededRescale', message);
    events.event(hpa, 'Normal', 'SuccessfulRescale', `New size: ${replicas}; reason: ${reason}`);
    noteChange(memory, hpa.spec, current, replicas, clock.now());
  }

  async #write(hpa: HorizontalPodAutoscaler, status: StatusDraft): Promise<void> {
    const next = status.finish();
    if (semanticEqual(next, hpa.status)) return;
    const draft = { ...hpa, status: next } as Draft<HorizontalPodAutoscaler>;
    try {
      await this.#context.client.updateStatus(autoscalingV2.horizontalpodautoscalers, draft);
    } catch (error) {
      this.#context.events.event(hpa, 'Warning', 'FailedUpdateStatus', messageOf(error));
      throw error;
    }
  }
}
