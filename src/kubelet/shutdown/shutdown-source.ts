// Who knows that the machine is to end, and can hold that up for a while.

export interface ShutdownLock {
  /** The machine may end. */
  release(): void;
  /** Resolves when it is held no more, released or not. */
  readonly ended: Promise<void>;
}

/** Every call rejects where there is nobody who knows. */
export interface ShutdownSource {
  /** So long a lock is waited for. */
  maxDelayMs(): Promise<number>;
  raiseMaxDelay(ms: number): Promise<void>;
  hold(): Promise<ShutdownLock>;
  /**
   * Calls back when the machine is to end (true), and when it is not after all. Resolves when the signal aborts, rejects
   * when nothing more will be told.
   */
  watch(onShutdown: (begins: boolean) => void, signal: AbortSignal): Promise<void>;
}
