// Some 15,000 fields: what takes tens of milliseconds in all.
const largeBytes = 128 << 10;

/** Whether a write is done in steps with `pause` between them. `bytes` of the larger of body and stored object. */
export const isLarge = (bytes: number): boolean => bytes >= largeBytes;

/** Others have their turn of the event loop. */
export const pause = (): Promise<void> => new Promise(resolve => void setImmediate(resolve));
