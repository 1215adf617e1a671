// A pod's quality of service class, computed from its requests and limits of cpu and memory.
import { parseQuantity, type Quantity, zeroQuantity } from './quantity.ts';
import type { Container, PodSpec } from './type/core-v1.ts';

export type QosClass = 'BestEffort' | 'Burstable' | 'Guaranteed';

const COMPUTE = ['cpu', 'memory'] as const;
type List = Readonly<Record<string, string>> | undefined;

/**
 * Guaranteed: every container limits cpu and memory and requests as much. BestEffort: no container asks for either.
 * Burstable otherwise. Pod-level resources, where given, decide alone; ephemeral containers never count.
 */
export function podQosClass(spec: PodSpec): QosClass {
  const sums: (Quantity | undefined)[] = [undefined, undefined, undefined, undefined];
  const of: readonly { readonly requests?: List; readonly limits?: List }[] = spec.resources
    ? [spec.resources]
    : [...spec.containers, ...(spec.initContainers ?? [])].map((c: Container) => c.resources ?? {});
  let guaranteed = true;
  for (const { requests, limits } of of) {
    for (let i = 0; i < 2; i++) {
      sums[i] = add(sums[i], requests?.[COMPUTE[i]!]);
      const limit = limits?.[COMPUTE[i]!];
      sums[i + 2] = add(sums[i + 2], limit);
      if (limit === undefined || parseQuantity(limit).sign <= 0) guaranteed = false;
    }
  }
  if (sums.every(s => s === undefined)) return 'BestEffort';
  if (!guaranteed) return 'Burstable';
  for (let i = 0; i < 2; i++) {
    const request = sums[i];
    const limit = sums[i + 2];
    if (!request || !limit || request.compare(limit) !== 0) return 'Burstable';
  }
  return 'Guaranteed';
}

function add(sum: Quantity | undefined, text: string | undefined): Quantity | undefined {
  if (text === undefined) return sum;
  const quantity = parseQuantity(text);
  return quantity.sign > 0 ? (sum ?? zeroQuantity).add(quantity) : sum;
}
