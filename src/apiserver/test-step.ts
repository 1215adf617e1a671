// What a history is made of (test-histories.ts, test-odd-managers.ts).
import type { Json } from './test-caller.ts';

export type How = 'create' | 'put' | 'edit' | 'merge' | 'json' | 'apply' | 'delete';

export interface Step {
  readonly how: How;
  readonly by: string;
  readonly version: string;
  readonly at?: 'status' | 'scale';
  readonly force?: true;
  readonly dry?: true;
  /** The object without its name; for an edit what is changed in it as a merge patch; a JSON patch. */
  readonly body?: Json;
}

export interface History {
  readonly seed: number;
  readonly steps: readonly Step[];
}
