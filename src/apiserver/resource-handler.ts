// The verbs of resources over HTTP.
import type { ObjectKey } from '../api/meta.ts';
import type { Resource } from '../api/resource.ts';
import { badRequest, invalid, methodNotAllowed, methodNotSupported, StatusError } from '../api/status.ts';
import { admitConnect, connecting } from './admission/admit-call.ts';
import type { Audited } from './audit/auditor.ts';
import type { UserInfo } from './authn/user.ts';
import { requireAllowed } from './authz/authorizer.ts';
import { decodeDraft, maxBodyBytes, targetOf } from './body.ts';
import { decodeYamlOrJson } from './body-format.ts';
import type { ApiContext, CallResult } from './context.ts';
import { registryFor, servedResource } from './context.ts';
import { deprecationWarning } from './deprecation.ts';
import type { Exchange } from './http/exchange.ts';
import { WatchStream } from './http/watch-stream.ts';
import { deleteOptions, deleteRequest, writeContext, writeParameters } from './options.ts';
import { applyTransform, isApply, patchTransform } from './patch.ts';
import { createObject } from './registry/create.ts';
import { deleteObject } from './registry/delete.ts';
import { deleteCollection } from './registry/delete-collection.ts';
import { listObjects, orderedSink, prepareAll, readObject } from './registry/reading.ts';
import type { Registry } from './registry/registry.ts';
import { parseSelection } from './registry/selection.ts';
import { Stored } from './registry/stored.ts';
import { type Transform, updateObject } from './registry/update.ts';
import { startWatch } from './registry/watcher.ts';
import { rendererFor, sendForm, sendList } from './rendering.ts';
import { attributesOf } from './request-attributes.ts';
import { isTrue, type RequestInfo } from './request-info.ts';
import { requestVersion } from './request-version.ts';
import { responseHeaders, sendObject, statusOf } from './respond.ts';

export interface ResourceRequest {
  readonly context: ApiContext;
  readonly exchange: Exchange;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  /** Warnings collected for the response. */
  readonly warnings: string[];
  /** The request's audit event. */
  readonly audited?: Pick<Audited, 'annotate'> | undefined;
}

const annotating = ({ audited }: ResourceRequest) =>
  audited ? { annotate: (key: string, value: string) => audited.annotate(key, value) } : {};

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
      if (connecting.has(info.subresource)) await admit(request, resource, registry);
      return stream({ exchange, info, user: request.user, resource, registry });
    }
    if (!sub.verbs.includes(info.verb)) throw methodNotSupported(resource, info.verb);
    const call = context.calls.get(`${id}/${info.subresource}`);
    if (call) return answerCall(request, resource, registry, await runCall(request, resource, registry, call));
    if (!registry) throw noSuchPath();
    return handleStored(request, resource, registry);
  }
  if (!resource.verbs.includes(info.verb)) throw methodNotSupported(resource, info.verb);
  // A collection is not replaced or patched, and what has a name in the path is not made.
  if (info.name ? info.verb === 'create' : info.verb === 'update' || info.verb === 'patch') throw methodNotAllowed();
  const call = context.calls.get(id);
  if (call) return answerCall(request, resource, registry, await runCall(request, resource, registry, call));
  if (!registry) throw noSuchPath();
  return handleStored(request, resource, registry);
}

function admit({ exchange, info, user, warnings }: ResourceRequest, resource: Resource, registry: Registry) {
  const context = writeContext(
    user,
    { dryRun: false, fieldManager: '', fieldValidation: 'Ignore' },
    info.subresource,
    {},
    m => void warnings.push(m),
  );
  return admitConnect({ registry, resource, info, query: exchange.query, context });
}

export const noSuchPath = () =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

function keyOf(info: RequestInfo): ObjectKey {
  return info.namespace && info.resource !== 'namespaces'
    ? { namespace: info.namespace, name: info.name }
    : { name: info.name };
}

async function handleStored(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { exchange, info } = request;
  switch (info.verb) {
    case 'get': {
      const renderer = rendererFor(request, resource);
      return sendObject(
        request,
        200,
        renderer,
        await readObject(registry, keyOf(info), request.exchange.query.get('resourceVersion') === '0'),
      );
    }
    case 'list':
      return list(request, resource, registry);
    case 'watch':
      return watch(request, resource, registry);
    case 'create':
    case 'update':
    case 'patch':
      return write(request, resource, registry);
    case 'delete':
      return remove(request, resource, registry);
    case 'deletecollection':
      return removeAll(request, resource, registry);
    default:
      throw methodNotSupported(resource, exchange.method);
  }
}

function listParameters({ exchange, info }: ResourceRequest, resource: Resource) {
  const { query } = exchange;
  if (query.size === 0) {
    return {
      namespace: info.namespace,
      selection: parseSelection(resource),
      limit: 0,
      continue: '',
      resourceVersion: '',
      resourceVersionMatch: '',
    };
  }
  checkInteger('timeoutSeconds', query);
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit) || limit < 0)
    throw badRequest(`limit: Invalid value: ${JSON.stringify(query.get('limit'))}: must be a non-negative integer`);
  let fields = query.get('fieldSelector');
  if (info.name) fields = fields ? `${fields},metadata.name=${info.name}` : `metadata.name=${info.name}`;
  return {
    namespace: info.namespace,
    selection: parseSelection(resource, query.get('labelSelector'), fields),
    limit,
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
  };
}

function checkInteger(name: string, query: URLSearchParams): void {
  const text = query.get(name);
  if (text && !/^[+-]?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

async function list(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { context } = request;
  const renderer = rendererFor(request, resource);
  const result = await listObjects(registry, context.dispatcher, listParameters(request, resource));
  await sendList(request, renderer, result);
}

const longestWatchSeconds = 3600;

async function watch(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { context, exchange } = request;
  const { query } = exchange;
  const renderer = rendererFor(request, resource, true);
  const parameters = listParameters(request, resource);
  const sendInitial = query.get('sendInitialEvents');
  checkWatchParameters(parameters, sendInitial);
  const rv = parameters.resourceVersion;
  const { dispatcher } = context;
  const { counts } = registry.cache;
  await (rv === '' ? dispatcher.freshen() : rv === '0' ? undefined : dispatcher.reached(Number(rv), counts));
  const unseen = prepareAll(registry, parameters.namespace);
  if (unseen) await unseen;
  if (exchange.closed) return;
  const timeout =
    Number(query.get('timeoutSeconds') ?? 0) ||
    longestWatchSeconds / 2 + (longestWatchSeconds / 2) * context.random.next();
  let stop: (() => void) | undefined;
  const finish = () => {
    timer.cancel();
    ticker?.cancel();
    stop?.();
    stop = undefined;
  };
  // The head goes out first: clients wait for it even when no event comes.
  const out = exchange.open(200, responseHeaders(renderer.streamType, request.warnings));
  const stream = new WatchStream(out, renderer, context.clock, context.counts.frames(resource), () => {
    counts.terminated++;
    finish();
  });
  const bookmarks = isTrue(query.get('allowWatchBookmarks'));
  const timer = context.clock.after(timeout * 1000, () => {
    if (bookmarks) stream.onBookmark(context.dispatcher.revision, false);
    finish();
    stream.end();
  });
  let ticker = bookmarks ? everyMinute() : undefined;
  exchange.onClose(finish);
  context.onShutdown.add(end);
  exchange.onClose(() => context.onShutdown.delete(end));
  const ending = resource.custom?.watches;
  if (ending) {
    ending.add(end);
    exchange.onClose(() => ending.delete(end));
  }
  try {
    stop = startWatch(
      registry.cache,
      context.dispatcher,
      {
        namespace: parameters.namespace,
        selection: parameters.selection,
        resourceVersion: rv,
        sendInitialEvents: sendInitial === null ? undefined : isTrue(sendInitial),
        remote: true,
      },
      orderedSink(registry, stream, error => {
        finish();
        stream.error(statusOf(error));
      }),
    );
    stream.started();
    if (exchange.closed) finish();
  } catch (error) {
    finish();
    stream.error(statusOf(error));
  }

  function end(): void {
    finish();
    stream.end();
  }

  function everyMinute() {
    return context.clock.after(50_000 + context.random.next() * 10_000, () => {
      stream.onBookmark(context.dispatcher.revision, false);
      ticker = everyMinute();
    });
  }
}

function checkWatchParameters(
  p: { resourceVersion: string; resourceVersionMatch: string },
  sendInitial: string | null,
): void {
  const wrong = (field: string, message: string) =>
    invalid({ group: 'meta.k8s.io', resource: 'ListOptions' }, '', [{ reason: 'FieldValueForbidden', field, message }]);
  if (p.resourceVersion && !/^\d+$/.test(p.resourceVersion))
    throw badRequest(`Invalid value: ${JSON.stringify(p.resourceVersion)}: resourceVersion must be a number`);
  if (sendInitial === null) {
    if (p.resourceVersionMatch)
      throw wrong(
        'resourceVersionMatch',
        'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      );
    return;
  }
  if (p.resourceVersionMatch !== 'NotOlderThan') {
    throw wrong(
      'resourceVersionMatch',
      'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
}

async function write(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { exchange, info, user, warnings } = request;
  const renderer = rendererFor(request, resource);
  const p = writeParameters(exchange.query, exchange.headers['user-agent'] ?? '', optionsKind[info.verb]!);
  const warn = (m: string) => void warnings.push(m);
  const contentType = exchange.headers['content-type'];
  const apply = info.verb === 'patch' && isApply(contentType);
  const context = {
    ...writeContext(user, p, info.subresource, writeOptions(exchange.query, apply), warn),
    ...annotating(request),
    ...(apply ? { applied: true } : {}),
    ...(resource === registry.resource ? {} : { requested: resource }),
  };
  const force = isTrue(exchange.query.get('force'));
  checkApplyParameters(exchange.query, apply, info.verb);
  const body = await countedBody(request, resource);
  await request.context.turns.next();
  const key = keyOf(info);
  const versions = requestVersion(resource, registry);
  const draftOptions = { fieldValidation: p.fieldValidation, warn };
  if (info.verb === 'create') {
    const draft = versions.settle(decodeDraft(targetOf(resource), versions.strategy, body, contentType, draftOptions));
    return sendObject(request, 201, renderer, await createObject(registry, info.namespace, draft, context));
  }
  const createIfAbsent =
    info.subresource === '' && (apply || (registry.strategy.allowCreateOnUpdate === true && info.verb === 'update'));
  const now = () => registry.options.clock.now();
  const transform =
    info.verb === 'update'
      ? () => decodeDraft(targetOf(resource), versions.strategy, body, contentType, draftOptions)
      : apply
        ? applyTransform(resource, versions.strategy, body, {
            context,
            name: info.name,
            force,
            draft: draftOptions,
            now,
          })
        : patchTransform(resource, versions.strategy, body, contentType, draftOptions);
  // Creating by an update or apply takes the right to create, too.
  const allowed: Transform = current => {
    const waiting = !current && createIfAbsent ? authorizeCreate(request) : undefined;
    const make = () => versions.settle(transform(current && versions.show(current)));
    return waiting ? waiting.then(make) : make();
  };
  const { stored, created } = await updateObject(registry, key, allowed, context, { createIfAbsent });
  return sendObject(request, created ? 201 : 200, renderer, stored);
}

async function countedBody({ context, exchange, info }: ResourceRequest, resource: Resource): Promise<Buffer> {
  const body = await exchange.readBody(maxBodyBytes);
  context.counts.body(resource, info.verb, body.length);
  return body;
}

/** What a client asked of the write itself, for admission to see. */
function writeOptions(query: URLSearchParams, apply: boolean): Record<string, unknown> {
  const options: Record<string, unknown> = apply && isTrue(query.get('force')) ? { force: true } : {};
  for (const name of ['fieldManager', 'fieldValidation']) {
    const value = query.get(name);
    if (value) options[name] = value;
  }
  return options;
}

function authorizeCreate({ context, info, user }: ResourceRequest): Promise<void> | undefined {
  return requireAllowed(context.authorizer, attributesOf({ ...info, verb: 'create' }, user));
}

function checkApplyParameters(query: URLSearchParams, apply: boolean, verb: string): void {
  if (verb !== 'patch') return;
  const wrong = (reason: string, field: string, message: string) =>
    invalid({ group: 'meta.k8s.io', resource: 'PatchOptions' }, '', [{ reason, field, message }]);
  if (apply && !query.get('fieldManager'))
    throw wrong('FieldValueRequired', 'fieldManager', 'Required value: is required for apply patch');
  if (!apply && query.has('force'))
    throw wrong('FieldValueForbidden', 'force', 'Forbidden: may not be specified for non-apply patch');
}

const optionsKind: Record<string, string> = { create: 'CreateOptions', update: 'UpdateOptions', patch: 'PatchOptions' };

// Kinds whose delete answers with the object even when it is gone at once.
const returnsDeleted = new Set([
  '/pods',
  '/services',
  '/serviceaccounts',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/resourcequotas',
]);

async function remove(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { exchange, info, user, warnings } = request;
  const body = await countedBody(request, resource);
  const options = deleteOptions(body, exchange.headers['content-type']);
  const asked = deleteRequest(options, exchange.query);
  const context = writeContext(
    user,
    { dryRun: asked.dryRun, fieldManager: '', fieldValidation: 'Ignore' },
    '',
    { ...(options as object) },
    m => void warnings.push(m),
  );
  const { stored, deleted } = await deleteObject(registry, keyOf(info), asked, { ...context, ...annotating(request) });
  if (!deleted || returnsDeleted.has(`${resource.group}/${resource.resource}`)) {
    return sendObject(
      request,
      !deleted && asked.orphanDependents === false ? 202 : 200,
      rendererFor(request, resource),
      stored,
    );
  }
  sendForm(request, 200, deletedStatus(resource, stored));
}

/** What a delete at once answers. */
export function deletedStatus(resource: Resource, stored: Stored): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: stored.object.metadata.name,
      ...(resource.group ? { group: resource.group } : {}),
      kind: resource.resource,
      uid: stored.object.metadata.uid,
    },
  };
}

async function removeAll(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { context, exchange, user, warnings } = request;
  const body = await countedBody(request, resource);
  const options = deleteOptions(body, exchange.headers['content-type']);
  const asked = deleteRequest(options, exchange.query);
  const parameters = listParameters(request, resource);
  const write = writeContext(
    user,
    { dryRun: asked.dryRun, fieldManager: '', fieldValidation: 'Ignore' },
    '',
    { ...(options as object) },
    m => void warnings.push(m),
  );
  const renderer = rendererFor(request, resource);
  const listed = await listObjects(registry, context.dispatcher, parameters);
  const items = await deleteCollection(registry, listed.items, asked, { ...write, ...annotating(request) });
  await sendList(request, renderer, { ...listed, items });
}

function runCall(
  request: ResourceRequest,
  resource: Resource,
  registry: Registry | undefined,
  handler: (call: any) => Promise<CallResult> | CallResult,
) {
  const { exchange, info, user, warnings } = request;
  const p = writeParameters(
    exchange.query,
    exchange.headers['user-agent'] ?? '',
    optionsKind[info.verb] ?? 'CreateOptions',
  );
  const contentType = exchange.headers['content-type'];
  const apply = info.verb === 'patch' && isApply(contentType);
  checkApplyParameters(exchange.query, apply, info.verb);
  return handler({
    verb: info.verb,
    resource,
    registry,
    key:
      info.namespace && info.resource !== 'namespaces'
        ? { namespace: info.namespace, name: info.name }
        : { name: info.name },
    context: { ...writeContext(user, p, info.subresource, {}, m => void warnings.push(m)), ...annotating(request) },
    query: exchange.query,
    contentType,
    fieldValidation: p.fieldValidation,
    // A patch is JSON by any of its media types but that of apply.
    body: async () =>
      decodeYamlOrJson(
        await exchange.readBody(maxBodyBytes),
        apply ? 'application/yaml' : info.verb === 'patch' ? undefined : contentType,
      ),
  });
}

function answerCall(
  request: ResourceRequest,
  resource: Resource,
  registry: Registry | undefined,
  { code, object, items }: CallResult,
): void | Promise<void> {
  if (items) {
    const list = { items, revision: request.context.dispatcher.revision, continue: '', remaining: undefined };
    return sendList(request, rendererFor(request, resource), list);
  }
  if (object instanceof Stored && registry) sendObject(request, code, rendererFor(request, resource), object);
  else sendForm(request, code, object instanceof Stored ? object.object : object);
}
