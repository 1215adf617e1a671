// What two readings tell: usage over the time between them, as metrics.k8s.io writes it.
import { parseQuantity } from '../../../api/quantity.ts';
import { formatDuration } from '../../../api/scalar.ts';
import type { Counters } from './reading.ts';

export interface Usage {
  readonly atMs: number;
  readonly windowMs: number;
  readonly nanoCores: number;
  readonly memoryBytes: number;
}

/** A container younger than this has used too little to tell a rate from. */
const shortestFirstWindowMs = 10_000;

/**
 * Usage since `before`; since the start of a container that `before` does not know or that began anew.
 * undefined: not known yet.
 */
export function usageOf(before: Counters | undefined, now: Counters): Usage | undefined {
  const again = before !== undefined && now.startMs > before.startMs && now.startMs > before.atMs;
  if (before && !again) {
    if (now.atMs <= before.atMs || now.cpuNanoseconds < before.cpuNanoseconds) return undefined;
    return over(now, now.atMs - before.atMs, now.cpuNanoseconds - before.cpuNanoseconds);
  }
  const age = now.atMs - now.startMs;
  if (now.startMs <= 0 || age < shortestFirstWindowMs) return undefined;
  return over(now, age, now.cpuNanoseconds);
}

const over = (now: Counters, windowMs: number, nanoseconds: number): Usage => ({
  atMs: now.atMs,
  windowMs,
  nanoCores: Math.round((nanoseconds / windowMs) * 1000),
  memoryBytes: now.memoryBytes,
});

export const usageQuantities = ({ nanoCores, memoryBytes }: Pick<Usage, 'nanoCores' | 'memoryBytes'>) => ({
  cpu: parseQuantity(`${nanoCores}n`).toString(),
  memory: binaryQuantity(memoryBytes),
});

/** 15.04s */
export const windowText = (ms: number): string => formatDuration(ms * 1e6);

const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** In the largest binary unit that loses nothing: 13312Ki. */
function binaryQuantity(bytes: number): string {
  let value = Math.round(bytes);
  let unit = 0;
  while (value !== 0 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value}${units[unit]}`;
}
