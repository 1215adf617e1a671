// When the change happened that led to new endpoints: for the annotation that measures how long they took.
import { parseTime } from '../../api/meta.ts';
import type { Pod, Service } from '../../api/type/core-v1.ts';
import { podCondition } from './pod.ts';

export const lastChangeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

interface Seen {
  readonly serviceMs: number;
  readonly pods: ReadonlyMap<string, number>;
}

/** Remembers what was seen at the last pass over each service. */
export class TriggerTimes {
  readonly #seen = new Map<string, Seen>();

  /** The earliest of the changes since the last pass, in ms since the epoch; undefined when there were none. */
  next(key: string, service: Service, pods: readonly Pod[]): number | undefined {
    const last = this.#seen.get(key);
    let earliest: number | undefined;
    const changed = (ms: number, lastMs: number | undefined) => {
      if (ms > (lastMs ?? 0) && (earliest === undefined || ms < earliest)) earliest = ms;
    };
    const times = new Map<string, number>();
    for (const pod of pods) {
      const ms = parseTime(podCondition(pod, 'Ready')?.lastTransitionTime);
      if (ms === undefined) continue;
      times.set(pod.metadata.name, ms);
      changed(ms, last?.pods.get(pod.metadata.name));
    }
    const serviceMs = parseTime(service.metadata.creationTimestamp) ?? 0;
    changed(serviceMs, last?.serviceMs);
    this.#seen.set(key, { serviceMs, pods: times });
    return earliest;
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}
