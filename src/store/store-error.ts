/** The store was closed; nothing more can be asked of it. */
export class StoreClosedError extends Error {
  override name = 'StoreClosedError';

  constructor() {
    super('using the store: it is closed');
  }
}

/** The data is in use by another process, damaged, from a newer release, or cannot be reached. The message says what to do. */
export class StoreOpenError extends Error {
  override name = 'StoreOpenError';
  readonly reason: 'locked' | 'damaged' | 'newer' | 'unusable';
  readonly directory: string;

  constructor(reason: StoreOpenError['reason'], directory: string, message: string, cause?: unknown) {
    super(`opening the store in ${JSON.stringify(directory)}: ${message}`, { cause });
    this.reason = reason;
    this.directory = directory;
  }
}

/** What is stored is not what was written, or the disk failed a write; the store has stopped. */
export class StoreDamagedError extends Error {
  override name = 'StoreDamagedError';
}
