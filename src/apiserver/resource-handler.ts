// From a request about a resource to its verb: `verb/` holds them, over HTTP.
import type { Resource } from '../api/resource.ts';
import { methodNotAllowed, methodNotSupported, StatusError } from '../api/status.ts';
import { connecting } from './admission/admit-call.ts';
import { registryFor, servedResource } from './context.ts';
import { deprecationWarning } from './deprecation.ts';
import { readObject } from './registry/reading.ts';
import type { Registry } from './registry/registry.ts';
import { rendererFor } from './rendering.ts';
import type { RequestInfo } from './request-info.ts';
import { sendObject } from './respond.ts';
import { admitStream, handleCall } from './verb/call.ts';
import { handleDelete, handleDeleteCollection } from './verb/delete.ts';
import { checkRevision, handleList } from './verb/list.ts';
import { keyOf, type ResourceRequest } from './verb/resource-request.ts';
import { handleWatch } from './verb/watch.ts';
import { handleWrite } from './verb/write.ts';

/** Serves one authorized resource request. Throws StatusError. */
export async function handleResource(request: ResourceRequest): Promise<void> {
  const { context, exchange, info } = request;
  const resource = servedResource(context, info);
  if (!resource) throw noSuchPath();
  if (info.name && !resource.namespaced && info.namespace && resource.resource !== 'namespaces') throw noSuchPath();
  const deprecated = resource.custom ? resource.custom.deprecation : deprecationWarning(resource);
  if (deprecated) request.warnings.push(deprecated);
  const id = `${resource.group}/${resource.resource}`;
  const registry = registryFor(context, resource);
  if (info.subresource) {
    const sub = resource.subresources.get(info.subresource);
    if (!sub) throw noSuchPath();
    const stream = context.streams.get(`${id}/${info.subresource}`);
    if (stream && registry) {
      if (connecting.has(info.subresource)) await admitStream(request, resource, registry);
      return stream({ exchange, info, user: request.user, resource, registry });
    }
    if (!sub.verbs.includes(info.verb)) throw methodNotSupported(resource, info.verb);
    const call = context.calls.get(`${id}/${info.subresource}`);
    if (call) return handleCall(request, resource, registry, call);
    if (!registry) throw noSuchPath();
    return handleStored(request, resource, registry);
  }
  if (!resource.verbs.includes(info.verb)) throw methodNotSupported(resource, info.verb);
  if (resource.namespaced && !info.namespace) refuseEverywhere(info, resource);
  if (exchange.method === 'HEAD' && !resource.custom) throw methodNotAllowed();
  // A collection is not replaced or patched, and what has a name in the path is not made.
  if (info.name ? info.verb === 'create' : info.verb === 'update' || info.verb === 'patch') throw methodNotAllowed();
  const call = context.calls.get(id);
  if (call) return handleCall(request, resource, registry, call);
  if (!registry) throw noSuchPath();
  return handleStored(request, resource, registry);
}

/** Without a namespace the objects of a namespaced kind can be listed and watched, and nothing else. */
function refuseEverywhere({ name, verb }: RequestInfo, { verbs, custom }: Resource): void {
  if (name) throw noSuchPath();
  if (verb !== 'create' && verb !== 'deletecollection') return;
  if (verbs.includes('list')) throw custom ? noSuchPath() : methodNotAllowed();
}

export const noSuchPath = () =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

async function handleStored(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { exchange, info } = request;
  switch (info.verb) {
    case 'get': {
      const renderer = rendererFor(request, resource);
      const revision = exchange.query.get('resourceVersion') ?? '';
      checkRevision(revision);
      const behind = revision ? request.context.dispatcher.reached(Number(revision), registry.cache.counts) : undefined;
      if (behind) await behind;
      return sendObject(request, 200, renderer, await readObject(registry, keyOf(info), revision === '0'));
    }
    case 'list':
      return handleList(request, resource, registry);
    case 'watch':
      return handleWatch(request, resource, registry);
    case 'create':
    case 'update':
    case 'patch':
      return handleWrite(request, resource, registry);
    case 'delete':
      return handleDelete(request, resource, registry);
    case 'deletecollection':
      return handleDeleteCollection(request, resource, registry);
    default:
      throw methodNotSupported(resource, exchange.method);
  }
}
