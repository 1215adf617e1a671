// /healthz, /livez, /readyz and /metrics of a component, in the clear: for loopback and for those who watch machines.
import { createServer } from 'node:http';
import { aborted, type Service } from '../../base/lifecycle.ts';
import type { Metrics } from '../../base/metrics.ts';

export interface StatusServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
}

const healthPaths = new Set(['/healthz', '/livez', '/readyz']);

/** Its `run` rejects when the port cannot be opened. */
export function createStatusServer({ host, port, metrics }: StatusServerOptions): Service {
  return {
    name: 'status server',
    async run(signal) {
      const server = createServer(async (request, response) => {
        const path = (request.url ?? '/').split('?', 1)[0]!;
        if (path === '/metrics') {
          const text = await metrics.text();
          response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
        } else if (healthPaths.has(path)) response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
        else response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
      });
      await new Promise<void>((resolve, reject) => {
        server.once('error', error => reject(new Error(`opening ${host}:${port}: ${error.message}`, { cause: error })));
        server.listen(port, host, resolve);
      });
      await aborted(signal);
      server.closeAllConnections();
      server.close();
    },
  };
}
