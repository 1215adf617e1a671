// Starting many pods at once makes each of them slower: runc and the shims want a processor of their own.
import type { ContainerRuntime } from './runtime.ts';
import { RuntimeError } from './runtime-error.ts';
import type { CallOptions } from './type.ts';

const heavy = new Set<PropertyKey>(['RunPodSandbox', 'CreateContainer', 'StartContainer']);

/**
 * The same runtime, with at most `atOnce` of the calls that start something under way; the others wait their turn.
 * Who waits leaves when its signal aborts; what is under way is let finish, since a runtime may leave half of it behind.
 */
export function gatedRuntime(runtime: ContainerRuntime, atOnce: number): ContainerRuntime {
  let running = 0;
  const waiting = new Set<() => void>();
  const enter = (name: string, signal: AbortSignal | undefined): Promise<void> | undefined => {
    const canceled = () => new RuntimeError(name, 'Canceled', 'context canceled', { cause: signal?.reason });
    if (signal?.aborted) return Promise.reject(canceled());
    if (running < atOnce) {
      running++;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(begin);
        reject(canceled());
      };
      const begin = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      waiting.add(begin);
      signal?.addEventListener('abort', leave, { once: true });
    });
  };
  // Whoever waits longest takes over the place.
  const leave = () => {
    const [next] = waiting;
    if (!next) {
      running--;
      return;
    }
    waiting.delete(next);
    next();
  };
  return new Proxy(runtime, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== 'function') return method;
      if (!heavy.has(name)) return (...args: unknown[]) => Reflect.apply(method, target, args) as unknown;
      return async (request: unknown, options: CallOptions = {}) => {
        const { signal, ...rest } = options;
        await enter(String(name), signal);
        try {
          return await Reflect.apply(method, target, [request, rest]);
        } finally {
          leave();
        }
      };
    },
  });
}
