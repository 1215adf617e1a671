// The kubelet's HTTPS port: logs, exec, attach, port-forward, metrics and what else is asked of a node.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { debugPaths } from '../../base/debug/debug-paths.ts';
import { pendingUpgrade } from '../../base/http/upgrade-exchange.ts';
import { aborted, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { Cgroups } from '../../cri/cgroup.ts';
import { linuxHost } from '../host/linux-host.ts';
import type { Kubelet } from '../kubelet.ts';
import { type AccessSettings, KubeletAccess } from './access.ts';
import { checkpointRoute } from './checkpoint-route.ts';
import { containerLogRoute } from './container-log.ts';
import { attachRoute, execRoute, portForwardRoute, runRoute } from './container-stream.ts';
import { HttpCounts } from './http-counts.ts';
import { HttpError } from './http-error.ts';
import { configRoute, healthRoute, logsRoute, podsRoute, runningPodsRoute } from './node-info.ts';
import { type PlainPort, servePlain } from './plain-server.ts';
import { answerText, type Route, type RouteContext, type RouteRequest } from './route.ts';
import { ServingCertificates, type ServingTls } from './serving-tls.ts';
import { StatsCollector } from './stats/stats-collector.ts';
import { metricsRoute, statsRoute } from './stats/stats-route.ts';
import { type ReadJournal, systemLogRoute } from './system-log.ts';

export interface KubeletServerOptions {
  readonly kubelet: Kubelet;
  /** Of the node's credentials: reviews tokens and access. */
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly tls: ServingTls;
  /** Who is let in; default as Kubernetes'. */
  readonly access?: AccessSettings;
  /** Where /healthz alone is served in the clear; default nowhere. */
  readonly healthz?: PlainPort;
  /** Where pods and figures are served to everybody in the clear; default nowhere. */
  readonly readOnly?: PlainPort;
  /** Default: every address. */
  readonly host?: string;
  /** Default 10250. */
  readonly port?: number;
  /** For /configz, in the words of KubeletConfiguration. */
  readonly config?: object;
  /** As enableProfilingHandler; default true. */
  readonly profiling?: boolean;
  /** As enableDebuggingHandlers: what reaches into containers and the node's files is served. Default true. */
  readonly debugging?: boolean;
  /** As enableSystemLogHandler. Default true. */
  readonly systemLogs?: boolean;
  /** As enableSystemLogQuery. Default false. */
  readonly logQueries?: boolean;
  /** Default: journalctl's. */
  readonly journal?: ReadJournal;
  /** Of Kubernetes, as /statusz says. */
  readonly version?: string;
  /** What /logs/ shows; default /var/log. */
  readonly logsDirectory?: string;
  /** Where the figures of pods and of the node come from; absent: only what the runtime tells of containers. */
  readonly cgroups?: Cgroups;
}

export interface KubeletServer extends Service {
  /** Resolves with the port once it listens. */
  readonly listening: Promise<number>;
}

export function createKubeletServer(options: KubeletServerOptions): KubeletServer {
  const listening = Promise.withResolvers<number>();
  listening.promise.catch(() => {});
  return {
    name: 'kubelet server',
    listening: listening.promise,
    async run(signal) {
      const { host, port = 10250, kubelet, clock, log, cgroups } = options;
      const certificates = new ServingCertificates(options.tls, clock);
      const client = { requestCert: true, rejectUnauthorized: false, requestTimeout: 0 };
      const server = createServer({ ...certificates.context(), ...client });
      const collector = new StatsCollector({ kubelet, clock, host: linuxHost(), ...(cgroups ? { cgroups } : {}) });
      const serving = servingOf(options, collector, certificates, signal);
      const handle = handler(serving);
      server.on('request', (request, response) => void handle(request, response));
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        const { response, take } = pendingUpgrade(request, socket, head);
        void handle(request, response, take);
      });
      const sockets = trackSockets(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, ...(host ? { host } : {}) }, resolve);
      }).catch(error => {
        listening.reject(error);
        throw new Error(`opening port ${port} of the kubelet: ${messageOf(error)}`, { cause: error });
      });
      listening.resolve((server.address() as { port: number }).port);
      await Promise.all([
        aborted(signal),
        kubelet.ready().then(() => collector.run(signal), ignore),
        certificates.follow(server, clock, log, signal),
        ...(options.healthz ? [servePlain(options.healthz, handler(serving, ['healthz']), signal)] : []),
        ...(options.readOnly ? [servePlain(options.readOnly, handler(serving, readable), signal)] : []),
      ]);
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const ignore = () => {};

function trackSockets(server: Server): Set<Duplex> {
  const sockets = new Set<Duplex>();
  server.on('secureConnection', socket => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return sockets;
}

/** Without authentication and authorization. */
const readable = ['healthz', 'metrics', 'pods', 'stats'];

type Serving = ReturnType<typeof servingOf>;

/** What all ports share. */
function servingOf(
  options: KubeletServerOptions,
  collector: StatsCollector,
  certificates: ServingCertificates,
  signal: AbortSignal,
) {
  const { kubelet, clock, log } = options;
  const routes = routesOf(options, { kubelet, clock, log, signal }, collector, certificates);
  return { options, routes, counts: new HttpCounts(kubelet.metrics.own, clock) };
}

/** `open`: to everybody, and nothing else. */
function handler({ options, routes, counts }: Serving, open?: readonly string[]) {
  const { kubelet, client, clock, log } = options;
  const access = open ? undefined : new KubeletAccess({ client, nodeName: kubelet.nodeName, clock, ...options.access });
  return async (request: IncomingMessage, response: ServerResponse, take?: RouteRequest['take']): Promise<void> => {
    response.on('error', () => {});
    const url = request.url ?? '/';
    const at = url.indexOf('?');
    const path = at < 0 ? url : url.slice(0, at);
    try {
      await access?.check(request, path);
      const segments = path.split('/').filter(Boolean).map(decode);
      const entry = routes.get(segments[0] ?? '');
      if (!entry || (open && !open.includes(segments[0]!))) throw new HttpError(404, '404 page not found\n');
      const method = request.method ?? 'GET';
      if (!entry.methods.includes(method)) throw new HttpError(405, '405: Method Not Allowed');
      response.once('close', counts.begin(method, segments));
      const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
      await entry.route({ request, response, method, path, segments, query, ...(take ? { take } : {}) });
    } catch (error) {
      if (!(error instanceof HttpError)) log.error('serving a request failed', { path, error });
      const { code = 500, headers = {} } = error instanceof HttpError ? error : {};
      answerText(response, code, messageOf(error), headers);
    }
  };
}

const reading = ['GET', 'HEAD'];
const everyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
const streaming = ['GET', 'POST'];

function routesOf(
  options: KubeletServerOptions,
  context: RouteContext,
  collector: StatsCollector,
  certificates: ServingCertificates,
) {
  const routes = new Map<string, { methods: readonly string[]; route: Route }>();
  const { debugging = true, systemLogs = true } = options;
  const add = (name: string, route: Route, methods = reading) => routes.set(name, { methods, route });
  /** Only for those who look into containers and the node. */
  const addDebug = (name: string, route: Route, methods = reading) =>
    debugging ? add(name, route, methods) : add(name, refused('Debug endpoints are disabled.'), everyMethod);
  addDebug('containerLogs', containerLogRoute(context));
  addDebug('exec', execRoute(context), streaming);
  addDebug('attach', attachRoute(context), streaming);
  addDebug('portForward', portForwardRoute(context), streaming);
  addDebug('run', runRoute(context), ['POST']);
  add('checkpoint', checkpointRoute(context), ['POST']);
  add('pods', podsRoute(context));
  addDebug('runningpods', runningPodsRoute(context));
  add('healthz', healthRoute(context));
  add('configz', configRoute(options.config ?? {}));
  const logs = options.logsDirectory ?? '/var/log';
  const files = logsRoute(logs);
  if (systemLogs) addDebug('logs', options.logQueries ? systemLogRoute(logs, files, options.journal) : files);
  else add('logs', refused('logs endpoint is disabled.'), everyMethod);
  add('stats', statsRoute(collector));
  add(
    'metrics',
    metricsRoute(context, collector, {
      host: linuxHost(),
      servingCertificate: () => certificates.certificate,
      version: options.version ?? ownVersion,
    }),
  );
  const debug = debugRoute(options);
  for (const name of ['statusz', 'flagz']) add(name, debug);
  addDebug('debug', debug);
  return routes;
}

const refused = (why: string): Route => {
  return () => {
    throw new HttpError(405, `${why}\n`);
  };
};

const ownVersion = '1.36.2';

function debugRoute({ clock, config = {}, profiling = true, version = ownVersion }: KubeletServerOptions): Route {
  const given = Object.entries(config).filter(([, value]) => typeof value !== 'object');
  const answer = debugPaths({
    component: 'kubelet',
    version,
    flags: Object.fromEntries(given.map(([name, value]) => [kebab(name), String(value)])),
    paths: ['/configz', '/flagz', '/healthz', '/metrics', '/statusz'],
    profiling,
    clock,
  });
  return async ({ request, response, path, query }) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const answering = answer({ path, query, accept: request.headers.accept, signal: gone.signal });
    if (!answering) throw new HttpError(404, '404 page not found\n');
    const { code, body, contentType, headers } = await answering;
    answerText(response, code, body, { 'content-type': contentType, ...headers });
  };
}

const kebab = (name: string) => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, `invalid URL escape ${JSON.stringify(segment)}`);
  }
}
