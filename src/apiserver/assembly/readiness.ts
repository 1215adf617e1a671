import type { HealthCheck } from '../health.ts';

/** How far the server has come; its health checks read it. */
export class Readiness {
  phase: 'starting' | 'ready' | 'stopping' = 'starting';
  storeFailure: Error | undefined;

  /** In the order they are listed; `more` come before that of the shutdown. */
  checks(more: readonly HealthCheck[]): HealthCheck[] {
    const starting = (what: string) => () => failIf(this.phase === 'starting' && what);
    return [
      { name: 'ping', live: true, check: () => {} },
      { name: 'log', live: true, check: () => {} },
      { name: 'store', live: true, check: () => failIf(this.storeFailure?.message) },
      { name: 'poststarthook/bootstrap', live: false, check: starting('not finished') },
      { name: 'informer-sync', live: false, check: starting('not synced') },
      ...more,
      {
        name: 'shutdown',
        live: false,
        check: () => failIf(this.phase === 'stopping' && 'process is shutting down'),
      },
    ];
  }
}

function failIf(reason: string | false | undefined): void {
  if (reason) throw new Error(reason);
}
