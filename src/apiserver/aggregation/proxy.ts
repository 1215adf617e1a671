// Requests for an aggregated group: handed to its server with the user's identity, whatever they are.
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendText } from '../respond.ts';
import { handOver } from './hand-over.ts';
import { isAvailable } from './kernel/availability.ts';
import { isTrustable, type Location, type RemoteServers } from './remote-server.ts';

export interface ProxyRequest {
  readonly context: ApiContext;
  readonly servers: RemoteServers;
  readonly service: APIService;
  readonly exchange: Exchange;
  readonly user: UserInfo;
  /** Of the request, which is the same one there. */
  readonly auditId?: string | undefined;
}

const untrustable = 'unable to load root certificates: unable to parse bytes as PEM block';

/** Answers 503 when the server cannot be reached. */
export async function proxyTo(request: ProxyRequest): Promise<void> {
  const { context, servers, service, exchange } = request;
  const refuse = (text: string) => sendText(exchange, 503, `${text}\n`);
  if (!isAvailable(service.status)) return refuse('service unavailable');
  if (!isTrustable(service)) return sendText(exchange, 500, `${untrustable}\n`);
  let location: Location;
  try {
    location = servers.locate(service);
  } catch (error) {
    context.log.info('an aggregated API has no endpoint', { service: service.metadata.name, error: messageOf(error) });
    return refuse('service unavailable');
  }
  const { user, auditId } = request;
  try {
    await handOver({ context, agent: servers.agent, exchange, user, auditId, location });
  } catch (error) {
    context.counts.refusedPeer('kube_aggregator', (error as Error).cause ?? error);
    refuse(messageOf(error));
  }
}
