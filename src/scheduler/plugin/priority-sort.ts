import type { Plugin, QueuedPod } from '../framework.ts';

/** Higher priority first, then who has waited longer. */
export const prioritySort = (): Plugin => ({
  name: 'PrioritySort',
  less(a: QueuedPod, b: QueuedPod): boolean {
    const [p, q] = [a.info.priority, b.info.priority];
    return p > q || (p === q && a.timestampMs < b.timestampMs);
  },
});
