// What a leader's work is done with: once the lead is lost, nothing more is written, whatever is still under way.
import type { Client } from './client.ts';
import { LeadershipLostError } from './leader-election.ts';

/**
 * `client` for one term of a leader. When the signal aborts with a LeadershipLostError, calls that wait for their answer
 * reject with it at once, and so do all that come: another may lead by then. After any other end they go on as before,
 * so that what was begun is finished. Watches end with whoever holds them.
 */
export function fencedClient(client: Client, term: AbortSignal): Client {
  return new Fence(term).around(client);
}

class Fence {
  readonly #waiting = new Set<(reason: LeadershipLostError) => void>();
  #lost: LeadershipLostError | undefined;

  constructor(term: AbortSignal) {
    const end = () => {
      if (!(term.reason instanceof LeadershipLostError)) return;
      this.#lost = term.reason;
      for (const reject of this.#waiting) reject(term.reason);
      this.#waiting.clear();
    };
    if (term.aborted) end();
    else term.addEventListener('abort', end, { once: true });
  }

  around(client: Client): Client {
    return new Proxy(client, {
      get: (target, name: keyof Client) => {
        if (name === 'as') return (identity: Parameters<Client['as']>[0]) => this.around(target.as(identity));
        const method = target[name] as unknown;
        if (typeof method !== 'function') return method;
        if (name === 'watch') return method.bind(target);
        return (...args: unknown[]) => this.#call(() => method.apply(target, args) as Promise<unknown>);
      },
    });
  }

  #call<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#lost) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      perform()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }
}
