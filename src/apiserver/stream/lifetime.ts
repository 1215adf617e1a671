import type { ApiContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';

export interface Lifetime {
  /** Aborts when the client is gone or the server stops. */
  readonly signal: AbortSignal;
  /** The request is answered. */
  end(): void;
}

/** How long what is done for a request may go on. */
export function lifetimeOf(context: ApiContext, exchange: Exchange): Lifetime {
  const controller = new AbortController();
  const abort = () => controller.abort();
  context.onShutdown.add(abort);
  exchange.onClose(abort);
  return {
    signal: controller.signal,
    end: () => void context.onShutdown.delete(abort),
  };
}
