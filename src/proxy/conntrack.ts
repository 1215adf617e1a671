import { messageOf } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import { forgetArguments, needsCleaning, parseFlows, staleFlows, type UdpFrontends } from './kernel/conntrack.ts';
import type { ProxyMetrics } from './proxy-metrics.ts';
import type { RunCommand } from './run-command.ts';

/**
 * Makes the kernel forget UDP connections to endpoints that are gone: without that, a client that keeps its port would
 * send to a dead address for as long as it goes on.
 */
export class Conntrack {
  readonly #run: RunCommand;
  readonly #log: Log;
  readonly #metrics: ProxyMetrics;
  readonly #services = new Map<string, UdpFrontends>();
  /** Frontends of services that are gone since the last cleaning. */
  readonly #gone = new Set<string>();
  #needed = false;

  constructor(run: RunCommand, log: Log, metrics: ProxyMetrics) {
    this.#run = run;
    this.#log = log;
    this.#metrics = metrics;
  }

  set(service: string, now: UdpFrontends | undefined): void {
    const before = this.#services.get(service);
    if (!before && !now?.size) return;
    if (needsCleaning(before, now ?? new Map())) this.#needed = true;
    for (const frontend of before?.keys() ?? []) if (!now?.has(frontend)) this.#gone.add(frontend);
    if (now?.size) this.#services.set(service, now);
    else this.#services.delete(service);
  }

  async clean(nodePortAddresses: ReadonlySet<string>): Promise<void> {
    if (!this.#needed) return;
    this.#needed = false;
    const gone = [...this.#gone];
    const frontends = new Map<string, ReadonlySet<string>>(gone.map(f => [f, new Set<string>()]));
    for (const own of this.#services.values()) for (const [f, endpoints] of own) frontends.set(f, endpoints);
    this.#gone.clear();
    let deleted = 0;
    try {
      const families = ['ipv4', ...([...frontends.keys()].some(f => f.includes(':')) ? ['ipv6'] : [])];
      for (const family of families) {
        const flows = parseFlows(await this.#run('conntrack', ['-L', '-p', 'udp', '-f', family]));
        for (const flow of staleFlows(flows, frontends, nodePortAddresses)) {
          // It fails when the connection has ended by itself meanwhile.
          await this.#run('conntrack', forgetArguments(flow)).catch(() => {});
          deleted++;
        }
      }
    } catch (error) {
      this.#log.warn('forgetting UDP connections failed; trying again with the next change', {
        error: messageOf(error),
      });
      this.#needed = true;
      for (const frontend of gone) this.#gone.add(frontend);
    }
    this.#metrics.forgotten(deleted);
  }
}
