// What every verb of an in-process client has in hand: the resource, the right to it, and the write's context.
import type { ObjectKey } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { type Resource, resourceId } from '../../api/resource.ts';
import { methodNotSupported, notFound, StatusError } from '../../api/status.ts';
import type { WriteOptions } from '../../client/client.ts';
import type { UserInfo } from '../authn/user.ts';
import { requireAllowed } from '../authz/authorizer.ts';
import { draftFrom, targetOf } from '../body.ts';
import { type ApiContext, type CallResult, registryFor } from '../context.ts';
import { methodOf } from '../metrics.ts';
import { managerFromUserAgent, writeContext } from '../options.ts';
import type { Registry, WriteContext } from '../registry/registry.ts';
import { Stored } from '../registry/stored.ts';
import { attributesOf } from '../request-attributes.ts';

export interface LocalIdentity {
  readonly user: UserInfo;
  readonly userAgent: string;
}

/** Who the server is to itself. */
export const serverUser = 'system:apiserver';

const noQuery = new URLSearchParams();
const ignore = () => {};

export type LocalAccess = ReturnType<typeof localAccess>;

export function localAccess(context: ApiContext, { user, userAgent }: LocalIdentity) {
  const manager = managerFromUserAgent(userAgent);

  function resolve(ref: ResourceRef): { resource: Resource; registry: Registry } {
    const resource = context.resources.get(resourceId(ref));
    const registry = resource && registryFor(context, resource);
    if (!resource || !registry)
      throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
    return { resource, registry };
  }

  /** A promise when the authorizer has to ask. Throws or rejects with 403. */
  function allow(
    ref: ResourceRef,
    verb: string,
    key: { namespace?: string; name?: string },
    subresource = '',
    { fieldSelector, labelSelector }: { fieldSelector?: string | undefined; labelSelector?: string | undefined } = {},
  ): Promise<void> | undefined {
    if (user.name === serverUser) context.counts.own(methodOf(verb, subresource), ref, subresource);
    const attributes = attributesOf(
      {
        isResource: true,
        verb,
        prefix: '',
        group: ref.group,
        version: ref.version,
        resource: ref.resource,
        subresource,
        namespace: key.namespace ?? '',
        name: key.name ?? '',
        rest: '',
        path: '',
      },
      user,
      fieldSelector || labelSelector
        ? new URLSearchParams({ fieldSelector: fieldSelector ?? '', labelSelector: labelSelector ?? '' })
        : undefined,
    );
    return requireAllowed(context.authorizer, attributes);
  }

  const write = (options: WriteOptions | undefined, subresource = ''): WriteContext =>
    writeContext(
      user,
      { dryRun: options?.dryRun === true, fieldManager: options?.fieldManager ?? manager, fieldValidation: 'Ignore' },
      subresource,
      {},
      ignore,
    );

  const draft = (resource: Resource, registry: Registry, value: unknown, options?: WriteOptions) =>
    draftFrom(targetOf(resource), registry.strategy, value, {
      fieldValidation: options?.fieldValidation ?? 'Ignore',
      warn: ignore,
    });

  async function call(
    ref: ResourceRef,
    key: ObjectKey,
    verb: string,
    subresource: string,
    body: unknown,
    options?: WriteOptions,
    contentType?: string,
    query = noQuery,
  ): Promise<CallResult> {
    const resource = context.resources.get(resourceId(ref));
    if (!resource) throw notFound(ref, key.name);
    const waiting = allow(ref, verb, key, subresource);
    if (waiting) await waiting;
    const id = `${resource.group}/${resource.resource}`;
    const handler = context.calls.get(subresource ? `${id}/${subresource}` : id);
    if (!handler) throw methodNotSupported(ref, verb);
    return handler({
      verb,
      resource,
      registry: registryFor(context, resource),
      key,
      context: write(options, subresource),
      query,
      contentType,
      fieldValidation: options?.fieldValidation ?? 'Ignore',
      body: async () => ({ value: body, duplicates: [] }),
    });
  }

  const unwrap = <R>({ object }: CallResult): R => (object instanceof Stored ? object.object : object) as R;

  /** What is served without being stored: usage. */
  const isCalled = (ref: ResourceRef) =>
    !context.registries.has(`${ref.group}/${ref.resource}`) && context.calls.has(`${ref.group}/${ref.resource}`);

  return { context, resolve, allow, write, draft, call, unwrap, isCalled };
}
