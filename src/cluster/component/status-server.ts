// /healthz, /livez, /readyz and /metrics of a component, in the clear: for loopback and for those who watch machines.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { nodeBuild, reportComponent } from '../../api/component-metrics.ts';
import { featureGates } from '../../api/feature-gates.ts';
import { type DebugOptions, type DebugPaths, debugPaths } from '../../base/debug/debug-paths.ts';
import { aborted, type Service } from '../../base/lifecycle.ts';
import { createMetrics, type Metrics } from '../../base/metrics.ts';
import { reportProcess } from '../../base/process-metrics.ts';

export interface StatusServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** What /statusz and /flagz tell, and whether there are profiles: only to this machine itself. */
  readonly debug?: Omit<DebugOptions, 'paths'>;
}

const healthPaths = new Set(['/healthz', '/livez', '/readyz']);

const servedPaths = ['/flagz', '/healthz', '/livez', '/metrics', '/metrics/slis', '/readyz', '/statusz'];

// In the clear nobody says who they are: flags and profiles are for who is on the machine.
const isLoopback = (address: string | undefined) => /^(127\.|::1$|::ffff:127\.)/.test(address ?? '');

async function answerDebug(
  shown: DebugPaths,
  path: string,
  search: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const query = new URLSearchParams(search);
  const answering = shown({ path, query, accept: request.headers.accept, signal: gone.signal });
  if (!answering) return false;
  const { code, contentType, body, headers } = await answering;
  response.writeHead(code, { 'content-type': contentType, ...headers }).end(body);
  return true;
}

/** Its `run` rejects when the port cannot be opened. */
export function createStatusServer({ host, port, metrics, debug }: StatusServerOptions): Service {
  const slis = createMetrics();
  const state = slis.gauge(
    'kubernetes_healthcheck',
    '[STABLE] This metric records the result of a single healthcheck.',
    ['name', 'type'],
  );
  state.set({ name: 'ping', type: 'healthz' }, 1);
  if (debug) {
    reportProcess(metrics, debug.clock);
    reportComponent(metrics, nodeBuild(`v${debug.version}`), featureGates());
  }
  const shown = debug && debugPaths({ ...debug, paths: [...servedPaths] });
  return {
    name: 'status server',
    async run(signal) {
      const server = createServer(async (request, response) => {
        const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
        if (path === '/metrics' || path === '/metrics/slis') {
          const text = await (path === '/metrics' ? metrics : slis).text();
          response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
        } else if (healthPaths.has(path)) response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
        else if (
          shown &&
          isLoopback(request.socket.remoteAddress) &&
          (await answerDebug(shown, path, search, request, response))
        )
          return;
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
