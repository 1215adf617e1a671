import type { CelValue } from './value.ts';

/** One evaluation's variables. */
export interface Frame {
  readonly globals: (CelValue | undefined)[];
  readonly bindings: Readonly<Record<string, unknown>>;
  readonly locals: CelValue[];
}

export type Step = (frame: Frame) => CelValue;
