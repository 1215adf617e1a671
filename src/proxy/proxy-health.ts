// /healthz and /livez for load balancers and people, /metrics for Prometheus.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Node } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import { isEligible } from './kernel/node.ts';
import type { ProxyMetrics } from './proxy-metrics.ts';

interface Listening {
  readonly host: string;
  readonly port: number;
}

export interface ProxyHealthOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  readonly node: () => Node | undefined;
  /** When the last transaction was taken; since when one waits. Milliseconds since the epoch. */
  readonly state: () => { readonly lastSyncMs: number | undefined; readonly queuedMs: number | undefined };
  readonly healthz?: Listening | null;
  readonly metricsAt?: Listening | null;
}

/** A change that waits for longer means that the proxy is stuck. */
const stuckMs = 60_000;
const retryMs = 5_000;

export function proxyHealth(options: ProxyHealthOptions): Service {
  const { clock, log, metrics, state, node } = options;
  const { healthz = { host: '0.0.0.0', port: 10_256 }, metricsAt = { host: '127.0.0.1', port: 10_249 } } = options;
  const working = () => {
    const { lastSyncMs, queuedMs } = state();
    return lastSyncMs !== undefined && (queuedMs === undefined || clock.now() - queuedMs < stuckMs);
  };
  const time = (ms: number | undefined) => new Date(ms ?? 0).toISOString();
  const answer = (response: ServerResponse, path: 'healthz' | 'livez') => {
    const eligible = isEligible(node());
    const code = working() && (path === 'livez' || eligible) ? 200 : 503;
    metrics.answered(path, code);
    const now = clock.now();
    const lastUpdated = time(working() ? now : state().lastSyncMs);
    const body = { lastUpdated, currentTime: time(now), ...(path === 'healthz' ? { nodeEligible: eligible } : {}) };
    response.writeHead(code, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
    response.end(JSON.stringify(body));
  };
  const health = () =>
    createServer((request, response) => {
      const path = request.url?.split('?')[0];
      if (path === '/healthz') answer(response, 'healthz');
      else if (path === '/livez') answer(response, 'livez');
      else response.writeHead(404).end();
    });
  const scrape = () =>
    createServer(async (request, response) => {
      const path = request.url?.split('?')[0];
      if (path === '/metrics')
        response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(await metrics.registry.text());
      else if (path === '/healthz') response.writeHead(200).end('ok');
      else if (path === '/proxyMode') response.writeHead(200).end('nftables');
      else response.writeHead(404).end();
    });
  return {
    name: 'proxy health',
    run: signal =>
      runAll([serve('healthz', health, healthz, clock, log), serve('metrics', scrape, metricsAt, clock, log)], signal),
  };
}

// A taken port costs health checks or metrics, never the rules.
function serve(what: string, make: () => Server, at: Listening | null, clock: Clock, log: Log): Service {
  if (!at) return { name: what, run: aborted };
  return {
    name: what,
    async run(signal) {
      while (!signal.aborted) {
        const server = make();
        try {
          await new Promise<void>((resolve, reject) => {
            server.once('error', reject);
            server.listen({ ...at, exclusive: true }, resolve);
          });
          await aborted(signal);
        } catch (error) {
          log.warn(`serving ${what} of the proxy failed; trying again`, { ...at, error: messageOf(error) });
          await clock.sleep(retryMs, signal).catch(() => {});
        } finally {
          server.close();
          server.closeAllConnections();
        }
      }
    },
  };
}
