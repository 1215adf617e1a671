import type { HorizontalPodAutoscaler, MetricStatus } from '../../../api/type/autoscaling-v2.ts';

type Status = NonNullable<HorizontalPodAutoscaler['status']>;
type Condition = NonNullable<Status['conditions']>[number];

/** The status of an autoscaler being made from the one it has. */
export class StatusDraft {
  readonly #generation: number | bigint | undefined;
  readonly #now: string;
  readonly #conditions: Condition[];
  #current: number | undefined;
  #desired: number;
  #scaled: string | undefined;
  metrics: readonly MetricStatus[] | undefined;

  constructor(hpa: HorizontalPodAutoscaler, now: string) {
    const status: Partial<Status> = hpa.status ?? {};
    this.#generation = hpa.metadata.generation ?? status.observedGeneration;
    this.#now = now;
    this.#conditions = [...(status.conditions ?? [])];
    this.#current = status.currentReplicas;
    this.#desired = status.desiredReplicas ?? 0;
    this.#scaled = status.lastScaleTime;
    this.metrics = status.currentMetrics;
  }

  condition(type: string, is: boolean, reason: string, message: string): void {
    const status = is ? 'True' : 'False';
    const at = this.#conditions.findIndex(c => c.type === type);
    const before = this.#conditions[at];
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : this.#now;
    const condition = { type, status, ...(lastTransitionTime ? { lastTransitionTime } : {}), reason, message };
    if (at < 0) this.#conditions.push(condition);
    else this.#conditions[at] = condition;
  }

  /** `desired` stays what it was unless given. */
  replicas(current: number, desired = this.#desired): void {
    this.#current = current;
    this.#desired = desired;
  }

  scaledNow(): void {
    this.#scaled = this.#now;
  }

  finish(): Status {
    const { metrics } = this;
    return {
      ...(this.#generation === undefined ? {} : { observedGeneration: this.#generation }),
      ...(this.#scaled ? { lastScaleTime: this.#scaled } : {}),
      ...(this.#current === undefined ? {} : { currentReplicas: this.#current }),
      desiredReplicas: this.#desired,
      ...(metrics ? { currentMetrics: metrics } : {}),
      conditions: this.#conditions,
    };
  }
}
