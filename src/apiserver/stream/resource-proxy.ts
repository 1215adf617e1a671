// pods/proxy, services/proxy and nodes/proxy: any request, handed to what runs there.
import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createDeflate, createGunzip, createGzip, createInflate } from 'node:zlib';
import { badRequest, notFound, unavailable } from '../../api/status.ts';
import type { Node, Pod, Service } from '../../api/type/core-v1.ts';
import { DialingAgent, DialingTlsAgent, via } from '../../base/http/dial.ts';
import { authorityOf, dialError, type HttpTarget } from '../../base/http/upgrade-request.ts';
import { pathEncoded } from '../../base/percent.ts';
import { type ApiContext, registryOf, type StreamHandler } from '../context.ts';
import { readyAddresses } from '../extension/service-endpoint.ts';
import type { Exchange } from '../http/exchange.ts';
import type { RequestInfo } from '../request-info.ts';
import { isSimulatedNode } from '../simulated-node.ts';
import { requestBackend } from './backend.ts';
import { forwardedHeaders, returnedHeaders } from './kernel/proxy-header.ts';
import { isProxyable, type ProxyName, parseProxyName, proxiedPath } from './kernel/proxy-name.ts';
import { HtmlRewriter, type RewriteRule, rewriteLink } from './kernel/rewrite.ts';
import type { KubeletTargets } from './kubelet-target.ts';
import { type Lifetime, lifetimeOf } from './lifetime.ts';
import { passUpgrade } from './pass-upgrade.ts';

interface Located {
  readonly target: HttpTarget;
  readonly kubelet: boolean;
}

type Locate = (name: ProxyName, info: RequestInfo) => Located;

export function proxyHandlers(context: ApiContext, kubelets: KubeletTargets): Record<string, StreamHandler> {
  const agents = {
    'http:': new DialingAgent({ keepAlive: true, maxFreeSockets: 16 }),
    'https:': new DialingTlsAgent({ keepAlive: true, maxFreeSockets: 16 }),
  };
  context.onShutdown.add(() => {
    for (const agent of Object.values(agents)) agent.destroy();
  });
  const handler =
    (word: string, locate: Locate): StreamHandler =>
    async ({ exchange, info }) => {
      const name = parseProxyName(info.name);
      if (!name) throw badRequest(`invalid ${word} request ${JSON.stringify(info.name)}`);
      const { target, kubelet } = locate(name, info);
      const life = lifetimeOf(context, exchange);
      const path = proxiedPath(info.path);
      const request = { context, exchange, target, path, life };
      try {
        if (exchange.upgrade) {
          await passUpgrade(
            { ...request, path: sentPath(path) + exchange.rawQuery },
            forwarded(exchange, target, path, kubelet),
          );
        } else await forward({ ...request, kubelet, agent: kubelet ? kubelets.agent : agents[target.protocol] });
      } finally {
        life.end();
      }
    };
  return {
    '/pods/proxy': handler('pod', locatePod(context)),
    '/services/proxy': handler('service', locateService(context)),
    '/nodes/proxy': handler('node', locateNode(context, kubelets)),
  };
}

// ---- where to ----

/** Nobody can know which certificate a pod shows. */
function targetAt(
  { egress }: ApiContext,
  scheme: ProxyName['scheme'],
  { host, port }: { readonly host: string; readonly port: number },
): HttpTarget {
  const at = { host, port, ...via(egress.cluster) };
  return scheme === 'https'
    ? { protocol: 'https:', ...at, tls: { rejectUnauthorized: false } }
    : { protocol: 'http:', ...at };
}

function checkAddress(address: string | undefined): string {
  if (!address || !isProxyable(address)) throw badRequest('address not allowed');
  return address;
}

const locatePod =
  (context: ApiContext): Locate =>
  (name, { namespace }) => {
    const pod = registryOf(context, '', 'pods').get({ namespace, name: name.name }).object as unknown as Pod;
    const ports = pod.spec.containers.flatMap(c => c.ports ?? []);
    const named = ports.find(p => p.name === name.port)?.containerPort;
    const port = name.port ? (/^\d+$/.test(name.port) ? Number(name.port) : named) : ports[0]?.containerPort;
    if (name.port && !port) throw badRequest(`invalid pod request ${JSON.stringify(`${name.name}:${name.port}`)}`);
    if (isSimulatedNode(context, pod.spec.nodeName))
      throw badRequest(`pod ${JSON.stringify(name.name)} is simulated: nothing answers at its address`);
    const host = checkAddress(pod.status?.podIP ?? pod.status?.podIPs?.[0]?.ip);
    return {
      target: targetAt(context, name.scheme, { host, port: port ?? (name.scheme === 'https' ? 443 : 80) }),
      kubelet: false,
    };
  };

const locateService =
  (context: ApiContext): Locate =>
  (name, { namespace }) => {
    const service = registryOf(context, '', 'services').get({ namespace, name: name.name })
      .object as unknown as Service;
    let wanted = name.port;
    if (/^\d+$/.test(wanted)) {
      const found = service.spec?.ports?.find(p => p.port === Number(wanted));
      if (!found) throw unavailable(`no service port ${wanted} found for service ${JSON.stringify(name.name)}`);
      wanted = found.name ?? '';
    }
    const ready = readyAddresses(context, namespace, name.name, wanted);
    if (!ready.length) throw unavailable(`no endpoints available for service ${JSON.stringify(name.name)}`);
    const { host, port } = ready[Math.floor(context.random.next() * ready.length)]!;
    return { target: targetAt(context, name.scheme, { host: checkAddress(host), port }), kubelet: false };
  };

const locateNode =
  (context: ApiContext, kubelets: KubeletTargets): Locate =>
  name => {
    const found = registryOf(context, '', 'nodes').cache.get(name.name);
    if (!found) throw notFound({ group: '', resource: 'nodes' }, name.name);
    const node = found.object as unknown as Node;
    const own = kubelets.of(name.name);
    if (name.port === '' || Number(name.port) === own.port) return { target: own, kubelet: true };
    const host = checkAddress(node.status?.addresses?.find(a => a.type === 'InternalIP')?.address ?? own.host);
    return { target: targetAt(context, name.scheme, { host, port: Number(name.port) }), kubelet: false };
  };

// ---- there and back ----

interface Forward {
  readonly context: ApiContext;
  readonly exchange: Exchange;
  readonly target: HttpTarget;
  /** What follows `proxy`, '' or with its slash. */
  readonly path: string;
  readonly life: Lifetime;
  readonly kubelet: boolean;
  readonly agent: HttpAgent | HttpsAgent;
}

async function forward(request: Forward): Promise<void> {
  const { exchange, target, path, life } = request;
  const { path: own, rawQuery: query } = exchange;
  // So that relative links of the page lead below it.
  if (path === '' && (exchange.method === 'GET' || exchange.method === 'HEAD')) {
    exchange.respond(301, { location: `${own}/${query}` });
    return;
  }
  const answer = await requestBackend(target, {
    method: exchange.method,
    path: sentPath(path) + query,
    headers: { ...forwarded(exchange, target, path, request.kubelet), ...bodyHeaders(exchange) },
    agent: request.agent,
    ...(hasBody(exchange) ? { body: exchange.input } : {}),
    signal: life.signal,
    clock: request.context.clock,
  }).catch(error => {
    throw unavailable(`error trying to reach service: ${dialError(target, error)}`);
  });
  const rule = {
    prefix: prefixOf(own, path),
    hosts: [authorityOf(target), target.host, hostOf(exchange)],
  };
  await sendBack(exchange, answer, rule);
}

const sentPath = (path: string): string => pathEncoded(path || '/');

/** The way to what was proxied, so far as the path that was asked for says so. */
const prefixOf = (own: string, path: string): string =>
  own.endsWith(path) ? own.slice(0, own.length - path.length) : own;

const hostOf = (exchange: Exchange): string => String(exchange.headers[':authority'] ?? exchange.headers.host ?? '');

function forwarded(
  exchange: Exchange,
  target: HttpTarget,
  path: string,
  kubelet: boolean,
): Record<string, string | readonly string[]> {
  const headers = forwardedHeaders(exchange.headers);
  const before = headers['x-forwarded-for'];
  const client = exchange.peer.remoteAddress;
  return {
    ...headers,
    host: kubelet ? authorityOf(target) : hostOf(exchange),
    'x-forwarded-for': before ? `${before}, ${client}` : client,
    'x-forwarded-uri': pathEncoded(prefixOf(exchange.path, path) + path),
    'x-forwarded-host': hostOf(exchange),
    'x-forwarded-proto': 'https',
  };
}

export function hasBody(exchange: Exchange): boolean {
  if (exchange.protocol === 'HTTP/2.0') return !(exchange.input as { endAfterHeaders?: boolean }).endAfterHeaders;
  return exchange.headers['transfer-encoding'] !== undefined || Number(exchange.headers['content-length'] ?? 0) > 0;
}

/** Node would send nothing as chunks; the length is known then. */
export function bodyHeaders(exchange: Exchange): Record<string, string> {
  if (hasBody(exchange))
    return exchange.headers['content-length'] === undefined ? { 'transfer-encoding': 'chunked' } : {};
  return ['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(exchange.method) ? {} : { 'content-length': '0' };
}

const redirects = new Set([301, 302, 303, 307, 308]);

async function sendBack(exchange: Exchange, answer: IncomingMessage, rule: RewriteRule): Promise<void> {
  const headers = returnedHeaders(answer.headers);
  const code = answer.statusCode ?? 502;
  if ((redirects.has(code) || code === 201) && typeof headers.location === 'string')
    headers.location = rewriteLink(headers.location, rule);
  const stages = isPage(headers) && exchange.method !== 'HEAD' ? pageStages(headers, rule) : [];
  if (stages.length) delete headers['content-length'];
  const out = exchange.open(code, headers);
  if (exchange.method === 'HEAD') answer.resume();
  // Either end may go away; the other then has to as well, which pipeline does.
  await pipeline([answer, ...stages, out]).catch(() => {});
}

type ResponseHeaders = Record<string, string | readonly string[]>;

const isPage = (headers: ResponseHeaders) =>
  String(headers['content-type'] ?? '')
    .split(';')[0]!
    .trim() === 'text/html';

function pageStages(headers: ResponseHeaders, rule: RewriteRule): Transform[] {
  const rewriter = new HtmlRewriter(rule);
  // latin1 keeps every byte as it is, whatever the page's encoding.
  const rewrite = new Transform({
    transform: (chunk: Buffer, _encoding, done) =>
      done(null, Buffer.from(rewriter.push(chunk.toString('latin1')), 'latin1')),
    flush: done => done(null, Buffer.from(rewriter.end(), 'latin1')),
  });
  switch (headers['content-encoding']) {
    case undefined:
    case '':
      return [rewrite];
    case 'gzip':
      return [createGunzip(), rewrite, createGzip()];
    case 'deflate':
      return [createInflate(), rewrite, createDeflate()];
    default:
      return [];
  }
}
