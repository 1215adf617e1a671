// Starting many pods at once makes each of them slower: runc and the shims want a processor of their own.
import type { ContainerRuntime } from './runtime.ts';

const heavy = new Set<PropertyKey>(['RunPodSandbox', 'CreateContainer', 'StartContainer']);

/** The same runtime, with at most `atOnce` of the calls that start something under way; the others wait their turn. */
export function gatedRuntime(runtime: ContainerRuntime, atOnce: number): ContainerRuntime {
  let running = 0;
  const waiting: (() => void)[] = [];
  const enter = (): Promise<void> | undefined => {
    if (running < atOnce) {
      running++;
      return undefined;
    }
    return new Promise(resolve => waiting.push(resolve));
  };
  // Whoever waits longest takes over the place.
  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else running--;
  };
  return new Proxy(runtime, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== 'function') return method;
      const call = (...args: unknown[]) => Reflect.apply(method, target, args) as unknown;
      if (!heavy.has(name)) return call;
      return async (...args: unknown[]) => {
        await enter();
        try {
          return await call(...args);
        } finally {
          leave();
        }
      };
    },
  });
}
