// Events that are too large for their sink.
import type { Event } from '../../../api/type/audit-v1.ts';

export const sizeOf = (event: Event): number => Buffer.byteLength(JSON.stringify(event));

const annotation = 'audit.k8s.io/truncated';

/** Without its bodies when they make it too large; undefined when it still is. */
export function truncated(event: Event, maxBytes: number): Event | undefined {
  if (sizeOf(event) <= maxBytes) return event;
  const { requestObject: _, responseObject: __, ...rest } = event;
  const short = { ...rest, annotations: { [annotation]: 'true', ...event.annotations } };
  return sizeOf(short) <= maxBytes ? short : undefined;
}

/** In order, each part not larger than `maxBytes` unless it is one event. */
export function splitBySize(events: readonly Event[], maxBytes: number): Event[][] {
  const parts: Event[][] = [];
  let size = 0;
  for (const event of events) {
    const bytes = sizeOf(event);
    if (parts.length === 0 || size + bytes > maxBytes) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)!.push(event);
    size += bytes;
  }
  return parts;
}
