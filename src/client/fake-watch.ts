import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { WatchEventType, WatchHandle, WatchHandler } from './client.ts';

/** A change in the fake's history; `old` is what was there before. */
export interface FakeChange {
  readonly resource: ResourceRef;
  readonly revision: number;
  readonly object: KubeObject;
  readonly old?: KubeObject;
  readonly deleted: boolean;
}

type Message = { type: WatchEventType; object: KubeObject } | { close: Error | undefined };

/** One watch of the fake: delivers in order, never within the call that caused the event. */
export class FakeWatch implements WatchHandle {
  readonly resource: ResourceRef;
  readonly #matches: (object: KubeObject) => boolean;
  readonly #handler: WatchHandler<any>;
  readonly #onStop: (watch: FakeWatch) => void;
  readonly #queue: Message[] = [];
  #scheduled = false;
  #over = false;

  constructor(
    resource: ResourceRef,
    matches: (object: KubeObject) => boolean,
    handler: WatchHandler<any>,
    onStop: (watch: FakeWatch) => void,
  ) {
    this.resource = resource;
    this.#matches = matches;
    this.#handler = handler;
    this.#onStop = onStop;
  }

  stop(): void {
    this.#over = true;
    this.#onStop(this);
  }

  close(error: Error | undefined): void {
    this.#push({ close: error });
  }

  send(type: WatchEventType, object: KubeObject): void {
    this.#push({ type, object });
  }

  /** An object that leaves the selection is DELETED for this watch, one that enters it ADDED. */
  change({ object, old, deleted }: FakeChange): void {
    const before = old !== undefined && this.#matches(old);
    const after = !deleted && this.#matches(object);
    if (before && after) this.send('MODIFIED', object);
    else if (after) this.send('ADDED', object);
    else if (before) {
      const version = { ...old.metadata, resourceVersion: object.metadata.resourceVersion };
      this.send('DELETED', deleted ? object : { ...old, metadata: version });
    }
  }

  #push(message: Message): void {
    this.#queue.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    for (const message of this.#queue.splice(0)) {
      if (this.#over) return;
      if ('close' in message) {
        this.stop();
        this.#handler.onClose(message.close);
      } else this.#handler.onEvent(message.type, message.object);
    }
  }
}
