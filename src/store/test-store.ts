// What the tests of stores share: opened stores, watches that remember, and how a sentence of the contract is checked.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { VirtualClock } from '../base/clock.ts';
import { type Store, StoreConflictError, type StoreEvent, type StoreWatch } from './store.ts';

export interface OpenedStore {
  readonly store: Store;
  /** The clock the store was opened with. */
  readonly clock: VirtualClock;
  /** Closes the store and opens its data again; absent where nothing outlives a store. */
  readonly reopen?: () => Promise<Store>;
  cleanup(): Promise<void>;
}

export const bytes = (text: string) => () => Buffer.from(text);

/** An event as a plain object with text for bytes, to compare. */
export function plain(event: StoreEvent) {
  return {
    type: event.type,
    key: event.key,
    revision: event.revision,
    value: Buffer.from(event.value).toString(),
    previous: event.previous === undefined ? undefined : Buffer.from(event.previous).toString(),
    previousRevision: event.previousRevision,
  };
}

/** A watch that remembers, and can be waited on. */
export class Recorder {
  readonly events: ReturnType<typeof plain>[] = [];
  readonly errors: Error[] = [];
  readonly watch: StoreWatch;
  #wake = () => {};

  constructor(store: Store, prefix: string, after: number) {
    this.watch = store.watch(prefix, after, {
      onEvents: events => {
        this.events.push(...events.map(plain));
        this.#wake();
      },
      onError: error => {
        this.errors.push(error);
        this.#wake();
      },
    });
  }

  get revisions(): number[] {
    return this.events.map(event => event.revision);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>(resolve => (this.#wake = resolve));
  }
}

export const keysOf = (page: { entries: readonly { key: string }[] }) => page.entries.map(entry => entry.key);

export function conflict(key: string, currentRevision: number) {
  return (error: unknown) => {
    assert.ok(error instanceof StoreConflictError);
    assert.deepEqual([error.key, error.currentRevision], [key, currentRevision]);
    return true;
  };
}

/** What not every store can promise. */
export interface StoreTraits {
  /**
   * It decides writes in the order they are asked for, before anything is awaited, knows their revisions then, and keeps
   * what a delete leaves for watchers. A store other processes write too cannot.
   */
  readonly decidesAtOnce: boolean;
}

export type Check = (
  sentence: string,
  body: (opened: OpenedStore, t: TestContext) => Promise<void>,
  /** Registered only for stores that can. */
  needs?: Partial<StoreTraits>,
) => void;

/** For sentences that only stores of one process can promise. */
export const atOnce: Partial<StoreTraits> = { decidesAtOnce: true };
