// What an aggregated server answers to an in-process client's GET.
import { StatusError, type StatusReason, unavailable } from '../../api/status.ts';
import { messageOf } from '../../base/assert.ts';
import { pathDecoded } from '../../base/percent.ts';
import type { UserInfo } from '../authn/user.ts';
import { requireAllowed } from '../authz/authorizer.ts';
import type { ApiContext } from '../context.ts';
import { attributesOf } from '../request-attributes.ts';
import { parseRequest } from '../request-info.ts';
import type { Aggregation } from './aggregation.ts';
import { isAvailable } from './kernel/availability.ts';
import { BadStatus } from './remote-server.ts';

const reasons: Readonly<Record<number, StatusReason>> = {
  403: 'Forbidden',
  404: 'NotFound',
  503: 'ServiceUnavailable',
};

/** undefined when no other server serves the path; throws StatusError when the user may not, or the server refuses. */
export async function readRemote(
  context: ApiContext,
  aggregation: Pick<Aggregation, 'remoteFor' | 'servers'>,
  path: string,
  user: UserInfo,
): Promise<unknown> {
  const at = path.indexOf('?');
  const plain = at < 0 ? path : path.slice(0, at);
  if (!plain.startsWith('/apis/')) return undefined;
  const info = parseRequest('GET', pathDecoded(plain) ?? plain, new URLSearchParams(at < 0 ? '' : path.slice(at + 1)));
  if (!info.isResource && !info.version) return undefined;
  const service = aggregation.remoteFor(info);
  if (!service) return undefined;
  await requireAllowed(context.authorizer, attributesOf(info, user));
  if (!isAvailable(service.status)) throw unavailable('the server is currently unable to handle the request');
  try {
    return await aggregation.servers.read(service, path, 'application/json', user);
  } catch (error) {
    if (!(error instanceof BadStatus)) throw unavailable(messageOf(error));
    const what = info.isResource ? `${info.resource}.${info.group}` : plain;
    const message =
      error.code === 404
        ? `the server could not find the requested resource (get ${what})`
        : `an error on the server (${JSON.stringify(error.message)}) has prevented the request from succeeding (get ${what})`;
    throw new StatusError(error.code, reasons[error.code] ?? '', message);
  }
}
