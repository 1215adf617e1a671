import type { HealthCheck } from '../health.ts';

/** What a start waits for, in order. */
export type StartStep = 'storage' | 'informers' | 'bootstrap objects' | 'authorization and upkeep';

/** How far the server has come; its health checks read it. */
export class Readiness {
  phase: 'starting' | 'ready' | 'stopping' = 'starting';
  step: StartStep = 'storage';
  storeFailure: Error | undefined;
  /** What is stored and cannot be read, in words; '' when there is nothing. */
  unreadable: () => string = () => '';

  /** In the order they are listed; `more` come before that of the shutdown. */
  checks(more: readonly HealthCheck[]): HealthCheck[] {
    return [
      { name: 'ping', live: true, check: () => {} },
      { name: 'log', live: true, check: () => {} },
      { name: 'etcd', live: true, check: () => failIf(this.storeFailure?.message) },
      { name: 'poststarthook/bootstrap', live: false, told: true, check: () => failIf(this.waiting('not finished')) },
      {
        name: 'informer-sync',
        live: false,
        readyOnly: true,
        told: true,
        check: () => failIf((this.step === 'storage' || this.step === 'informers') && this.waiting('not synced')),
      },
      ...more,
      {
        name: 'shutdown',
        live: false,
        readyOnly: true,
        check: () => failIf(this.phase === 'stopping' && 'process is shutting down'),
      },
    ];
  }

  /** `not synced: waits for informers, for … cannot be read`; undefined once the server is ready. */
  waiting(what: string): string | undefined {
    if (this.phase !== 'starting') return undefined;
    const why = this.unreadable();
    return `${what}: waits for ${this.step}${why ? `, for ${why}` : ''}`;
  }
}

function failIf(reason: string | false | undefined): void {
  if (reason) throw new Error(reason);
}
