// What is known around a pod when somebody asks what it waits for.
import type { KubeObject } from '../../../api/meta.ts';
import type { Event, Node, PersistentVolumeClaim, Pod } from '../../../api/type/core-v1.ts';
import type { Decision } from '../../../scheduler/decision-log.ts';

export type { Decision };

/** PodDecisions of scheduling.k8ts.dev/v1alpha1. */
export interface Decisions {
  readonly queue?: {
    readonly place: string;
    readonly attempts: number;
    readonly addedMs: number;
    readonly backoffUntilMs: number;
    readonly gatedBy: string;
    readonly unschedulablePlugins: readonly string[];
  };
  readonly decisions?: readonly Decision[];
}

export interface Owner extends KubeObject {
  readonly kind: string;
  readonly spec?: { readonly replicas?: number; readonly paused?: boolean; readonly suspend?: boolean };
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly active?: number;
    readonly succeeded?: number;
    readonly failed?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

export interface Facts {
  readonly pod: Pod;
  /** Absent where the scheduler is not beside the API server, or the asker may not know. */
  readonly decisions?: Decisions;
  /** About the pod, oldest first. */
  readonly events: readonly Event[];
  /** The pod's controller, that one's, and so on. */
  readonly owners: readonly Owner[];
  /** Absent: it has none, or the node is gone. */
  readonly node?: Node;
  /** The asker may not read nodes. */
  readonly nodeUnknown?: boolean;
  /** Claims its volumes name, in their order; `claim` absent: there is none. */
  readonly claims: readonly {
    readonly volume: string;
    readonly name: string;
    readonly claim?: PersistentVolumeClaim;
    /** Newest event about it. */
    readonly said?: string;
  }[];
  readonly nowMs: number;
}
