// One Kubernetes object under create, update, delete and get, as one copy of it would answer.
import type { Model } from './checker.ts';

export interface Seen {
  readonly revision: number;
  readonly value: string;
}

/** `unknown`: nobody heard what came of it. */
export type ObjectOperation =
  | { readonly kind: 'create'; readonly value: string; readonly result: number | 'exists' | 'unknown' }
  | {
      readonly kind: 'update';
      readonly value: string;
      readonly ifRevision: number;
      readonly result: number | 'conflict' | 'absent' | 'unknown';
    }
  | {
      readonly kind: 'delete';
      readonly ifRevision: number;
      readonly result: 'done' | 'conflict' | 'absent' | 'unknown';
    }
  | { readonly kind: 'get'; readonly result: Seen | 'absent' };

export interface ObjectState {
  readonly value: string | undefined;
  /** Of the value; undefined: of a write whose answer nobody heard. */
  readonly revision: number | undefined;
  /** All revisions to come are greater. */
  readonly after: number;
}

const holds = (state: ObjectState, ifRevision: number): boolean =>
  state.value !== undefined &&
  (state.revision === ifRevision || (state.revision === undefined && ifRevision > state.after));

/** `state` with its revision made out to be `revision`. */
const known = (state: ObjectState, revision: number): ObjectState => ({ ...state, revision, after: revision });

function written(state: ObjectState, value: string, result: number | 'unknown'): ObjectState | undefined {
  if (result === 'unknown') return { value, revision: undefined, after: state.after };
  return result > state.after ? { value, revision: result, after: result } : undefined;
}

export const objectModel: Model<ObjectState, ObjectOperation> = {
  initial: { value: undefined, revision: undefined, after: 0 },
  name: ({ value, revision, after }) => `${value}@${revision}>${after}`,
  step(state, op) {
    const absent = state.value === undefined;
    switch (op.kind) {
      case 'create':
        if (op.result === 'exists') return absent ? undefined : state;
        if (!absent) return op.result === 'unknown' ? state : undefined;
        return written(state, op.value, op.result);
      case 'update':
        if (op.result === 'absent') return absent ? state : undefined;
        if (op.result === 'conflict') return !absent && state.revision !== op.ifRevision ? state : undefined;
        if (!holds(state, op.ifRevision)) return op.result === 'unknown' ? state : undefined;
        return written(known(state, op.ifRevision), op.value, op.result);
      case 'delete':
        if (op.result === 'absent') return absent ? state : undefined;
        if (op.result === 'conflict') return !absent && state.revision !== op.ifRevision ? state : undefined;
        if (!holds(state, op.ifRevision)) return op.result === 'unknown' ? state : undefined;
        return { value: undefined, revision: undefined, after: op.ifRevision };
      case 'get': {
        if (op.result === 'absent') return absent ? state : undefined;
        const { revision, value } = op.result;
        if (state.value !== value) return undefined;
        if (state.revision === undefined) return revision > state.after ? known(state, revision) : undefined;
        return state.revision === revision ? state : undefined;
      }
    }
  },
};
