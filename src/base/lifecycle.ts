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

/**
 * A controller that aborts with `signal`, too, until `release`. Its signal costs nothing to ask, other than one of
 * AbortSignal.any, which asks all it comes from each time; a thousand simulated nodes ask often.
 */
export function abortsWith(signal: AbortSignal): { readonly controller: AbortController; release(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return { controller, release: () => signal.removeEventListener('abort', abort) };
}

/** Runs services side by side; when one ends or fails, stops the others and waits for them. Rejects with the first failure. */
export async function runAll(services: readonly Service[], signal: AbortSignal): Promise<void> {
  const { controller, release } = abortsWith(signal);
  let failure: { error: unknown } | undefined;
  await Promise.all(
    services.map(async service => {
      try {
        await service.run(controller.signal);
      } catch (error) {
        failure ??= { error };
      } finally {
        controller.abort();
      }
    }),
  );
  release();
  if (failure) throw failure.error;
}
