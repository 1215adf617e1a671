/**
 * What runs until told to stop. The constructor does no I/O; `run` resolves after a clean stop and rejects when the
 * service cannot go on; aborting the signal stops it.
 */
export interface Service {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Runs services side by side; when one ends or fails, stops the others and waits for them. Rejects with the first failure. */
export async function runAll(services: readonly Service[], signal: AbortSignal): Promise<void> {
  const controller = new AbortController();
  const inner = AbortSignal.any([signal, controller.signal]);
  let failure: { error: unknown } | undefined;
  await Promise.all(
    services.map(async service => {
      try {
        await service.run(inner);
      } catch (error) {
        failure ??= { error };
      } finally {
        controller.abort();
      }
    }),
  );
  if (failure) throw failure.error;
}
