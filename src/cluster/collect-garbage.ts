import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Gives back what loading code and starting up left behind: V8 would keep it until memory is short. Takes some 20 ms. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/**
 * Memory outside V8's heap counts with the heap for when all of it is collected. By itself it has that done each 64 MB,
 * which a server of many objects makes in seconds, however large the heap is that has to be marked for so little.
 */
export function countMemoryTogether(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit');
}
