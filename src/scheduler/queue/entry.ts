import type { QueuedPod } from '../framework.ts';
import type { PodInfo } from '../pod-info.ts';

export type Place = 'active' | 'backoff' | 'errorBackoff' | 'unschedulable' | 'inFlight';

/** A pod waiting to be scheduled. */
export interface Entry extends QueuedPod {
  readonly uid: string;
  place: Place;
  /** Plugins that rejected it in its last attempt. */
  unschedulablePlugins: Set<string>;
  /** Of these, those waiting for something that is under way. */
  pendingPlugins: Set<string>;
  /** The plugin whose PreEnqueue keeps it out. */
  gatedBy: string;
  unschedulableCount: number;
  consecutiveErrors: number;
  backoffUntilMs: number;
  /** When it became unschedulable. */
  sinceMs: number;
  /** When it came into the queue. */
  readonly addedMs: number;
  /** Counts up with each entry: decides between equals. */
  readonly order: number;
}

let lastOrder = 0;

export function newEntry(info: PodInfo, nowMs: number): Entry {
  return {
    info,
    uid: info.uid,
    place: 'active',
    timestampMs: nowMs,
    attempts: 0,
    firstAttemptMs: undefined,
    unschedulablePlugins: new Set(),
    pendingPlugins: new Set(),
    gatedBy: '',
    unschedulableCount: 0,
    consecutiveErrors: 0,
    backoffUntilMs: 0,
    sinceMs: nowMs,
    addedMs: nowMs,
    order: ++lastOrder,
  };
}
