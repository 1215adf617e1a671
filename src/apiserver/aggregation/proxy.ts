// Requests for an aggregated group: handed to its server with the user's identity, whatever they are.
import { pipeline } from 'node:stream/promises';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { dialError } from '../../base/http/upgrade-request.ts';
import { pathEncoded } from '../../base/percent.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendText } from '../respond.ts';
import { requestBackend } from '../stream/backend.ts';
import { forwardedHeaders, returnedHeaders } from '../stream/kernel/proxy-header.ts';
import { lifetimeOf } from '../stream/lifetime.ts';
import { passUpgrade } from '../stream/pass-upgrade.ts';
import { bodyHeaders, hasBody } from '../stream/resource-proxy.ts';
import { isAvailable } from './kernel/availability.ts';
import { identityHeaders } from './kernel/identity-header.ts';
import type { Location, RemoteServers } from './remote-server.ts';

export interface ProxyRequest {
  readonly context: ApiContext;
  readonly servers: RemoteServers;
  readonly service: APIService;
  readonly exchange: Exchange;
  readonly user: UserInfo;
  /** Another than the exchange's own. */
  readonly path?: string;
}

/** Answers 503 when the server cannot be reached. */
export async function proxyTo({ context, servers, service, exchange, user, path }: ProxyRequest): Promise<void> {
  const refuse = (text: string) => sendText(exchange, 503, `${text}\n`);
  if (!isAvailable(service.status)) return refuse('service unavailable');
  let location: Location;
  try {
    location = servers.locate(service);
  } catch (error) {
    context.log.info('an aggregated API has no endpoint', { service: service.metadata.name, error: messageOf(error) });
    return refuse('service unavailable');
  }
  const { target, authority } = location;
  const life = lifetimeOf(context, exchange);
  const full = pathEncoded(path ?? exchange.path) + exchange.rawQuery;
  const headers = { ...forwarded(exchange), ...identityHeaders(user), host: authority };
  try {
    if (exchange.upgrade) return await passUpgrade({ context, exchange, target, path: full, life }, headers);
    const answer = await requestBackend(target, {
      method: exchange.method,
      path: full,
      headers: { ...headers, ...bodyHeaders(exchange) },
      agent: servers.agent,
      ...(hasBody(exchange) ? { body: exchange.input } : {}),
      signal: life.signal,
      clock: context.clock,
    });
    const out = exchange.open(answer.statusCode ?? 502, returnedHeaders(answer.headers));
    if (exchange.method === 'HEAD') answer.resume();
    // Either end may go away; the other then has to as well, which pipeline does.
    await pipeline(answer, out).catch(() => {});
  } catch (error) {
    refuse(`error trying to reach service: ${dialError(target, error)}`);
  } finally {
    life.end();
  }
}

function forwarded(exchange: Exchange): Record<string, string | readonly string[]> {
  const headers = forwardedHeaders(exchange.headers);
  const before = headers['x-forwarded-for'];
  const client = exchange.peer.remoteAddress;
  return { ...headers, 'x-forwarded-for': before ? `${before}, ${client}` : client };
}
