// From a request about a resource to its verb: `verb/` holds them, over HTTP.
import { isPathSegmentName } from '../api/name-rule.ts';
import type { Resource } from '../api/resource.ts';
import { badRequest, methodNotAllowed, methodNotSupported, notFound, StatusError } from '../api/status.ts';
import { quote } from '../base/quote.ts';
import { connecting } from './admission/admit-call.ts';
import { registryFor, servedResource } from './context.ts';
import { deprecationWarning } from './deprecation.ts';
import { noSuchPath, pageNotFound, unknownPath } from './plain-refusal.ts';
import { readNotOlderThan } from './registry/reading.ts';
import type { Registry } from './registry/registry.ts';
import { rendererFor } from './rendering.ts';
import { type RequestInfo, trimSlashes } from './request-info.ts';
import { sendObject } from './respond.ts';
import { admitStream, handleCall } from './verb/call.ts';
import { handleDelete, handleDeleteCollection } from './verb/delete.ts';
import { handleList } from './verb/list.ts';
import { keyOf, type ResourceRequest } from './verb/resource-request.ts';
import { handleWatch } from './verb/watch.ts';
import { handleWrite } from './verb/write.ts';

/** Serves one authorized resource request. Throws StatusError. */
export async function handleResource(request: ResourceRequest): Promise<void> {
  const { context, info } = request;
  // Handlers are found by how the path begins.
  const resource = info.path.startsWith('//') ? undefined : servedResource(context, info);
  if (!resource) throw unknownPath(context, info.path);
  if (resource.custom) checkCustomPath(resource, info);
  else checkBuiltinPath(resource, info, request.exchange.method);
  checkSegments(resource, info);
  const deprecated = resource.custom ? resource.custom.deprecation : deprecationWarning(resource);
  if (deprecated) request.warnings.push(deprecated);
  const id = `${resource.group}/${resource.resource}${info.subresource ? `/${info.subresource}` : ''}`;
  const registry = registryFor(context, resource);
  const stream = info.subresource ? context.streams.get(id) : undefined;
  if (stream && registry) {
    const behind = registry.freshen();
    if (behind) await behind;
    if (connecting.has(info.subresource)) await admitStream(request, resource, registry);
    return stream({ exchange: request.exchange, info, user: request.user, resource, registry });
  }
  const call = context.calls.get(id);
  if (call) return handleCall(request, resource, registry, call);
  if (!registry) throw noSuchPath();
  return handleStored(request, resource, registry);
}

/** Which paths and methods there are for custom resources: a page that is not found where their handler passes on. */
function checkCustomPath(resource: Resource, { name, namespace, subresource, verb }: RequestInfo): void {
  if (resource.namespaced ? !namespace && verb !== 'list' && verb !== 'watch' : namespace) throw pageNotFound();
  const verbs = subresource ? resource.subresources.get(subresource)?.verbs : resource.verbs;
  if (!verbs) throw notFound(resource, name);
  const closed = verb === 'create' && !subresource && resource.custom?.closed;
  if (!verbs.includes(verb) && !closed) throw methodNotSupported(resource, verb);
  // What is made may have a name in the path, which says nothing.
  if (!name && (verb === 'update' || verb === 'patch')) throw badRequest('name must be provided');
}

/** Names that would lead to other keys of the store. */
function checkSegments(resource: Resource, { name, namespace, subresource, verb }: RequestInfo): void {
  if (name && (verb !== 'create' || subresource)) {
    const wrong = isPathSegmentName(name);
    if (wrong.length) throw badRequest(`Name parameter invalid: ${quote(name)}: ${wrong.join(';')}`);
  }
  // Where something is made, admission asks for the namespace first.
  if (!resource.namespaced || verb === 'create' || !isUpwards(namespace)) return;
  const key = [resource.storagePrefix.replace('/registry', ''), namespace, ...(name ? [name] : [])].join('/');
  throw new StatusError(500, '', `invalid key: ${quote(key)}`);
}

const isUpwards = (segment: string) => segment === '.' || segment === '..';

const ofCollection = ['list', 'create', 'deletecollection'];
const ofObject = ['get', 'update', 'patch', 'delete'];

// What a method means for an object, by what it means where there is no name: `pods//status`.
const ofNobody: Readonly<Record<string, string>> = { list: 'get', deletecollection: 'delete' };

/** The same for built-in resources, by what their router knows: first the path, then the method on it. */
function checkBuiltinPath(resource: Resource, info: RequestInfo, method: string): void {
  const { name, subresource, verb } = info;
  if (verb === 'proxy') throw noSuchPath();
  const namespace = resource.resource === 'namespaces' && info.namespace === name ? '' : info.namespace;
  if (namespace && !resource.namespaced) throw noSuchPath();
  if (subresource) {
    const sub = resource.subresources.get(subresource);
    if (!sub) throw noSuchPath();
    // What is proxied has a path of its own, and may use any method.
    if (subresource === 'proxy') return;
    if (info.rest || (resource.namespaced && !namespace)) throw noSuchPath();
    if (!sub.verbs.includes(name ? verb : (ofNobody[verb] ?? verb)) || method === 'HEAD') throw methodNotAllowed();
    if (!name) throw badRequest('name must be provided');
    return;
  }
  // A namespace without a name: `/api/v1/namespaces//pods`.
  const nowhere = !namespace && trimSlashes(info.path).includes('/namespaces//');
  if (nowhere && !resource.namespaced) throw noSuchPath();
  const known = name ? ofObject : ofCollection;
  if (
    info.rest ||
    (name && resource.namespaced && !namespace && !nowhere) ||
    !resource.verbs.some(v => known.includes(v))
  )
    throw noSuchPath();
  if (verb === 'watch') {
    if (!resource.verbs.includes('watch') || method !== 'GET') throw methodNotAllowed();
    return;
  }
  if (!resource.verbs.includes(verb) || !known.includes(verb) || method === 'HEAD') throw methodNotAllowed();
  if (nowhere && verb !== 'list' && verb !== 'create') throw badRequest('Namespace parameter required.');
  // Without a namespace the objects of a namespaced kind can be listed and watched, and nothing else.
  if (resource.namespaced && !namespace && !nowhere && verb !== 'list' && resource.verbs.includes('list'))
    throw methodNotAllowed();
}

async function handleStored(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { exchange, info } = request;
  switch (info.verb) {
    case 'get': {
      const renderer = rendererFor(request, resource);
      const revision = exchange.query.get('resourceVersion') ?? '';
      return sendObject(request, 200, renderer, await readNotOlderThan(registry, keyOf(info), revision));
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
