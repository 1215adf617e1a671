// What every verb has in hand.
import type { ObjectKey } from '../../api/meta.ts';
import type { Resource } from '../../api/resource.ts';
import type { Audited } from '../audit/auditor.ts';
import type { Level } from '../audit/kernel/policy.ts';
import type { UserInfo } from '../authn/user.ts';
import { maxBodyBytes } from '../body.ts';
import type { ApiContext } from '../context.ts';
import type { Deadline } from '../deadline.ts';
import type { Exchange } from '../http/exchange.ts';
import type { RequestInfo } from '../request-info.ts';

export interface ResourceRequest {
  readonly context: ApiContext;
  readonly exchange: Exchange;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  /** Warnings collected for the response. */
  readonly warnings: string[];
  /** The request's audit event. */
  readonly audited?: Pick<Audited, 'annotate' | 'sent'> | undefined;
  readonly deadline?: Pick<Deadline, 'check'> | undefined;
}

/** What a write has of its request: its audit event and its deadline. */
export const ofRequest = ({ audited, deadline }: ResourceRequest) => ({
  ...(audited ? { annotate: (key: string, value: string, level?: Level) => audited.annotate(key, value, level) } : {}),
  ...(deadline ? { checkDeadline: () => deadline.check() } : {}),
});

export function keyOf(info: RequestInfo): ObjectKey {
  return info.namespace && info.resource !== 'namespaces'
    ? { namespace: info.namespace, name: info.name }
    : { name: info.name };
}

/** The body, counted by its length. */
export async function countedBody(request: ResourceRequest, resource: Resource): Promise<Buffer> {
  const body = await readBody(request);
  request.context.counts.body(resource, request.info.verb, body.length);
  return body;
}

const isYaml = /^\s*application\/(?:apply-patch\+)?yaml/i;

/** The body; a large one in YAML has been read. */
export async function readBody({ context, exchange }: ResourceRequest): Promise<Buffer> {
  const body = await exchange.readBody(maxBodyBytes);
  const reading = isYaml.test(exchange.headers['content-type'] ?? '') ? context.yaml.ahead(body) : undefined;
  if (reading) await reading;
  return body;
}
