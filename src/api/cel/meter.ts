// What one evaluation may still spend. Evaluations are synchronous; nested ones save and restore it.
import { CelFault } from './fault.ts';

export const meter: { left: number; steps: number } = {
  left: Number.POSITIVE_INFINITY,
  steps: Number.POSITIVE_INFINITY,
};

export const COST_EXCEEDED = 'operation cancelled: actual cost limit exceeded';

/** Kubernetes' units. */
export function spend(units: number): void {
  meter.left -= units;
  if (meter.left < 0) throw new CelFault(COST_EXCEEDED, true);
}

/** Work that Kubernetes does not count but that takes time here all the same: about 50 ns a step. */
export function step(units: number): void {
  meter.steps -= units;
  if (meter.steps < 0) throw new CelFault(COST_EXCEEDED, true);
}

/** Looking at every character. */
export function stepText(length: number): void {
  if (length > 64) step(length >> 2);
}
