// For load balancers: a port a service with externalTrafficPolicy Local, which tells whether this node has endpoints.
import { createServer, type Server } from 'node:http';
import { parseKey } from '../api/meta.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { aborted } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { HealthCheck } from './kernel/service-map.ts';

export interface HealthCheckServersOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The rules are in the kernel. */
  readonly healthy: () => boolean;
}

interface Entry {
  readonly port: number;
  readonly server: Server;
  localEndpoints: number;
}

const retryMs = 5_000;

export class HealthCheckServers {
  readonly #o: HealthCheckServersOptions;
  readonly #entries = new Map<string, Entry>();
  #stopped = false;

  constructor(options: HealthCheckServersOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    await aborted(signal);
    this.#stopped = true;
    for (const key of [...this.#entries.keys()]) this.#close(key);
  }

  /** `check` undefined: the service has none (any more). */
  set(key: string, check: HealthCheck | undefined): void {
    const entry = this.#entries.get(key);
    if (entry && entry.port !== check?.port) this.#close(key);
    if (!check || this.#stopped) return;
    const current = this.#entries.get(key);
    if (current) current.localEndpoints = check.localEndpoints;
    else this.#open(key, check);
  }

  #open(key: string, { port, localEndpoints }: HealthCheck): void {
    const { namespace, name } = parseKey(key);
    const server = createServer((_request, response) => {
      const serviceProxyHealthy = this.#o.healthy();
      const count = entry.localEndpoints;
      response.writeHead(count > 0 && serviceProxyHealthy ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(count),
      });
      response.end(JSON.stringify({ service: { namespace, name }, localEndpoints: count, serviceProxyHealthy }));
    });
    const entry: Entry = { port, server, localEndpoints };
    this.#entries.set(key, entry);
    const listen = () => {
      // On all addresses, of both families where there are two.
      if (this.#entries.get(key) === entry) server.listen({ port, exclusive: true });
    };
    server.on('error', error => {
      this.#o.log.warn('serving the health check of a service failed; trying again', {
        service: key,
        port,
        error: messageOf(error),
      });
      this.#o.clock.after(retryMs, listen);
    });
    listen();
  }

  #close(key: string): void {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    entry?.server.close();
    entry?.server.closeAllConnections();
  }
}
