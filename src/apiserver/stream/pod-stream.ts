// pods/exec, attach and portforward: a connection to the pod's kubelet.
import { pipeline } from 'node:stream/promises';
import { createWebSocketStream } from 'ws';
import { badRequest, methodNotSupported } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { joinStreams } from '../../base/http/join.ts';
import { requestUpgrade } from '../../base/http/upgrade-request.ts';
import type { UserInfo } from '../authn/user.ts';
import { requireAllowed } from '../authz/authorizer.ts';
import type { ApiContext, StreamHandler } from '../context.ts';
import { attributesOf } from '../request-attributes.ts';
import { isTrue, type RequestInfo } from '../request-info.ts';
import { dialFailure } from './backend.ts';
import { chooseContainer } from './kernel/container-choice.ts';
import type { KubeletTargets } from './kubelet-target.ts';
import { lifetimeOf } from './lifetime.ts';
import { passUpgrade, plainHeaders, type UpgradePass } from './pass-upgrade.ts';
import { serveTerminal, terminalProtocols } from './terminal.ts';
import { acceptWebSocket, agreeProtocol, isWebSocket, offeredProtocols } from './websocket.ts';

export type PodStreamKind = 'exec' | 'attach' | 'portforward';

export function podStreamHandler(context: ApiContext, kubelets: KubeletTargets, kind: PodStreamKind): StreamHandler {
  return async ({ exchange, info, user, resource, registry }) => {
    if (info.verb !== 'get' && info.verb !== 'create') throw methodNotSupported(resource, info.verb);
    const pod = registry.get({ namespace: info.namespace, name: info.name }).object as unknown as Pod;
    const path = kubeletPath(kind, pod, exchange.query);
    if (!pod.spec.nodeName) throw badRequest(`pod ${info.name} does not have a host assigned`);
    const target = kubelets.of(pod.spec.nodeName);
    if (!exchange.upgrade) throw badRequest('Upgrade request required');
    if (isWebSocket(exchange)) await mayCreate(context, info, user);
    const life = lifetimeOf(context, exchange);
    const ask = { context, exchange, target, path, life, timeoutMs: kubelets.timeoutMs };
    try {
      if (!isWebSocket(exchange)) await passUpgrade(ask);
      else if (kind === 'portforward') await tunnelOrPass(ask);
      else if (agreeProtocol(exchange, terminalProtocols)) await serveTerminal(ask);
      else await passUpgrade(ask);
    } finally {
      life.end();
    }
  };
}

/** A WebSocket begins as GET: that alone must not be enough to run something. */
function mayCreate(context: ApiContext, info: RequestInfo, user: UserInfo): Promise<void> | undefined {
  if (!context.featureEnabled('AuthorizePodWebsocketUpgradeCreatePermission')) return undefined;
  const attributes = { ...attributesOf(info, user), verb: 'create' };
  return requireAllowed(context.authorizer, attributes);
}

const kubeletWords: Readonly<Record<string, string>> = {
  stdin: 'input',
  stdout: 'output',
  stderr: 'error',
  tty: 'tty',
};

/** Throws 400 for a container that cannot be meant. */
function kubeletPath(kind: PodStreamKind, pod: Pod, query: URLSearchParams): string {
  const { namespace = '', name } = pod.metadata;
  const out = new URLSearchParams();
  const segments = [kind === 'portforward' ? 'portForward' : kind, namespace, name];
  if (kind === 'portforward') {
    const ports = query.getAll('ports').flatMap(p => p.split(','));
    for (const port of ports) if (port) out.append('port', port);
  } else {
    segments.push(chooseContainer(pod, query.get('container') ?? ''));
    for (const [ours, theirs] of Object.entries(kubeletWords)) {
      // What attach shows unless told otherwise.
      const byDefault = kind === 'attach' && (ours === 'stdout' || ours === 'stderr');
      if (query.has(ours) ? isTrue(query.get(ours)) : byDefault) out.set(theirs, '1');
    }
    if (kind === 'exec') for (const word of query.getAll('command')) out.append('command', word);
  }
  const text = out.toString();
  return `/${segments.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

const tunnelPrefix = 'SPDY/3.1+';

/** SPDY in messages of a WebSocket, which passes where an upgrade to SPDY does not. */
async function tunnelOrPass(pass: UpgradePass): Promise<void> {
  const { context, exchange, target, path, life, timeoutMs } = pass;
  const tunneled = offeredProtocols(exchange).filter(p => p.startsWith(tunnelPrefix));
  if (tunneled.length === 0) return passUpgrade(pass);
  const answer = await requestUpgrade(target, {
    method: 'POST',
    path,
    headers: {
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'content-length': '0',
      'x-stream-protocol-version': tunneled.map(p => p.slice(tunnelPrefix.length)),
    },
    clock: context.clock,
    signal: life.signal,
    ...(timeoutMs ? { timeoutMs } : {}),
  }).catch(error => {
    throw dialFailure(target, error);
  });
  if (!answer.switched) {
    await pipeline(
      answer.response,
      exchange.open(answer.response.statusCode ?? 502, plainHeaders(answer.response.headers)),
    ).catch(() => {});
    return;
  }
  const agreed = answer.response.headers['x-stream-protocol-version'];
  const { websocket } = acceptWebSocket(exchange, [`${tunnelPrefix}${agreed}`]);
  const bytes = createWebSocketStream(websocket, { allowHalfOpen: true });
  if (answer.head.length) bytes.write(answer.head);
  const end = () => {
    websocket.terminate();
    answer.socket.destroy();
  };
  life.signal.addEventListener('abort', end, { once: true });
  await joinStreams(bytes, answer.socket, { clock: context.clock });
}
