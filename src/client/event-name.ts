import type { Clock } from '../base/clock.ts';

/** Of all recorders on a clock: the last name's. */
const lastNanos = new WeakMap<Clock, bigint>();

/**
 * Names `<object>.<nanoseconds in hex>`, never the same twice: recorders on one clock count on from each other, those of
 * other processes begin elsewhere in the millisecond, by who reports.
 */
export function eventNames(clock: Clock, source: string): (object: string) => string {
  const offset = BigInt(offsetOf(source));
  return object => {
    const nanos = BigInt(Math.round(clock.now() * 1000)) * 1000n + offset;
    const last = lastNanos.get(clock) ?? 0n;
    const next = nanos > last ? nanos : last + 1n;
    lastNanos.set(clock, next);
    const suffix = next.toString(16);
    const name = `${object}.${suffix}`;
    // An event's name is a DNS subdomain; what it is about may be called otherwise (RBAC: `system:node`).
    const valid = name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);
    return valid ? name : `event.${suffix}`;
  };
}

/** Nanoseconds below a millisecond, from who reports. */
function offsetOf(source: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < source.length; i++) hash = Math.imul(hash ^ source.charCodeAt(i), 0x01000193) >>> 0;
  return hash % 1_000_000;
}
