// A request passed on to another API server in its user's name, and the answer back.
import type { Agent } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { dialError, type HttpTarget } from '../../base/http/upgrade-request.ts';
import { pathEncoded } from '../../base/percent.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { requestBackend } from '../stream/backend.ts';
import { distinctHeaders, forwardedHeaders, returnedHeaders } from '../stream/kernel/proxy-header.ts';
import { type Lifetime, lifetimeOf } from '../stream/lifetime.ts';
import { passUpgrade } from '../stream/pass-upgrade.ts';
import { bodyHeaders, hasBody } from '../stream/resource-proxy.ts';
import { identityHeaders } from './kernel/identity-header.ts';
import type { Location } from './remote-server.ts';

export interface HandedOver {
  readonly context: ApiContext;
  readonly agent: Agent;
  readonly exchange: Exchange;
  readonly user: UserInfo;
  /** Of the request, which is the same one there. */
  readonly auditId?: string | undefined;
  readonly location: Location;
  /** Headers besides those of the exchange. */
  readonly more?: Readonly<Record<string, string>>;
}

const uncached = 'no-cache, private';
const redirected = 'the backend attempted to redirect this request, which is not permitted';

/** Throws when the server cannot be reached; the error's cause is that of the connection. */
export async function handOver(handed: HandedOver): Promise<void> {
  const { context, exchange } = handed;
  const life = lifetimeOf(context, exchange);
  try {
    await (exchange.upgrade ? upgradeTo(handed, life) : forwardTo(handed, life));
  } finally {
    life.end();
  }
}

function upgradeTo(handed: HandedOver, life: Lifetime): Promise<void> {
  const { context, exchange, user, location, more } = handed;
  const { target, endpoint, authority } = location;
  const path = pathEncoded(exchange.path) + sentQuery(exchange);
  const headers = { ...forwarded(handed), ...identityHeaders(user), ...more, host: authority };
  return passUpgrade(
    {
      ...{ context, exchange, target, path, life },
      refusal: code => (code < 400 ? new Error(`invalid upgrade response: status code ${code}`) : undefined),
      failure: error => new Error(upgradeFault(endpoint, error), { cause: error }),
    },
    headers,
  );
}

async function forwardTo(handed: HandedOver, life: Lifetime): Promise<void> {
  const { context, agent, exchange, user, location, more } = handed;
  const { target, endpoint, authority } = location;
  const path = pathEncoded(exchange.path);
  const answer = await requestBackend(target, {
    method: exchange.method,
    path: path + sentQuery(exchange),
    headers: {
      ...forwarded(handed),
      ...{
        'x-forwarded-host': authority,
        'x-forwarded-proto': 'https',
        'x-forwarded-uri': path.replaceAll(/\/{2,}/g, '/'),
      },
      ...identityHeaders(user),
      ...more,
      host: authority,
      ...bodyHeaders(exchange),
    },
    agent,
    ...(hasBody(exchange) ? { body: exchange.input } : {}),
    signal: life.signal,
    clock: context.clock,
  }).catch(error => {
    throw new Error(`error trying to reach service: ${faultOf(endpoint, error)}`, { cause: error });
  });
  const code = answer.statusCode ?? 502;
  if (code >= 300 && code < 400 && answer.headers.location) {
    answer.resume();
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': uncached };
    return exchange.respond(502, headers, redirected);
  }
  const headers = returnedHeaders(distinctHeaders(answer.rawHeaders));
  const out = exchange.open(code, { ...headers, 'cache-control': [uncached, headers['cache-control'] ?? []].flat() });
  if (exchange.method === 'HEAD') answer.resume();
  // Either end may go away; the other then has to as well, which pipeline does.
  await pipeline(answer, out).catch(() => {});
}

const faultOf = (endpoint: HttpTarget, error: unknown): string =>
  dialError(endpoint, error).replace(
    /^http: server gave HTTP response to HTTPS client$/,
    'tls: first record does not look like a TLS handshake',
  );

/** Whether the server could not be reached, or did not answer. */
function upgradeFault(endpoint: HttpTarget, error: unknown): string {
  const fault = faultOf(endpoint, error);
  if (fault === 'EOF') return 'unexpected EOF';
  return fault.startsWith('Parse Error') ? fault : `error dialing backend: ${fault}`;
}

/** The parameters that could be read, in the order of their names. */
function sentQuery({ query, rawQuery }: Exchange): string {
  if (rawQuery.length < 2) return rawQuery;
  const sorted = new URLSearchParams(query);
  sorted.sort();
  const text = sorted.toString().replaceAll('*', '%2A').replaceAll('%7E', '~');
  return text && `?${text}`;
}

function forwarded({ exchange, auditId }: HandedOver): Record<string, string | readonly string[]> {
  const headers = forwardedHeaders(distinctHeaders(exchange.rawHeaders));
  const client = exchange.peer.remoteAddress;
  const before = [headers['x-forwarded-for'] ?? []].flat();
  headers['x-forwarded-for'] = [...before, client].join(', ');
  if (auditId !== undefined) headers['audit-id'] = auditId;
  // Who says nothing of itself is not to be told of otherwise.
  if (headers['user-agent'] === '') delete headers['user-agent'];
  return headers;
}
