// Some 15,000 fields: what takes tens of milliseconds in all.
const largeBytes = 128 << 10;

/**
 * Undefined for all but large objects: a write of one takes long in several steps, and between these others have their
 * turn of the event loop. `bytes` of the larger of body and stored object.
 */
export function pause(bytes: number): Promise<void> | undefined {
  return bytes < largeBytes ? undefined : new Promise(resolve => void setImmediate(resolve));
}
