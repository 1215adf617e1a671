import { availableParallelism } from 'node:os';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../base/clock.ts';

const fewProcessors = 2;
// So much alive takes V8 some 0.2 s to mark.
const largeHeapBytes = 256 << 20;
const lookEveryMs = 10_000;

let marking: 'beside' | 'alone' = 'beside';

/** Whether V8 runs otherwise than it was started: code it makes then is none for the next start. */
export const isTuned = (): boolean => marking === 'alone';

/** Gives back what loading code and starting up left behind: V8 would keep it until memory is short. Takes some 20 ms. */
export function collectGarbage(): void {
  collector()({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

function collector(): (options: object) => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}

/**
 * On two processors or one, V8's thread that marks what is alive takes the one that clients and nodes need while the main
 * thread marks too: beside 150,000 pods requests wait a tenth of a second and more for it, several times a minute. From a
 * large heap on the main thread does it alone, in small steps; for a small one the thread saves more than it takes.
 */
export function watchHeap(clock: Clock, processors = availableParallelism(), heapBytes = heapInUse): void {
  if (processors > fewProcessors || marking === 'alone') return;
  clock.after(lookEveryMs, () => {
    if (heapBytes() < largeHeapBytes) return watchHeap(clock, processors, heapBytes);
    // Not while the thread is at work: it is through when a collection has ended.
    collector()({ type: 'major', execution: 'sync' });
    setFlagsFromString('--no-concurrent-marking');
    marking = 'alone';
  });
}

const heapInUse = (): number => getHeapStatistics().used_heap_size;
