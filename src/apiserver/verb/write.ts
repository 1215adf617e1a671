// Create, update, patch and apply.
import { parseJson, parseYaml } from '../../api/decode.ts';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import type { Resource } from '../../api/resource.ts';
import { requireAllowed } from '../authz/authorizer.ts';
import { decodeDraft, targetOf } from '../body.ts';
import { writeContext, writeParameters } from '../options.ts';
import { applyTransform, isApply, patchKindOf, patchTransform } from '../patch.ts';
import { createObject } from '../registry/create.ts';
import { isLarge, pause } from '../registry/pace.ts';
import type { Registry } from '../registry/registry.ts';
import { checkIdentity, type Transform, updateObject } from '../registry/update.ts';
import type { Renderer } from '../render.ts';
import { rendererFor } from '../rendering.ts';
import { attributesOf } from '../request-attributes.ts';
import { isTrue } from '../request-info.ts';
import { requestVersion } from '../request-version.ts';
import { sendObject } from '../respond.ts';
import { countedBody, keyOf, ofRequest, type ResourceRequest } from './resource-request.ts';

export async function handleWrite(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { exchange, info } = request;
  const renderer = rendererFor(request, resource);
  const contentType = exchange.headers['content-type'];
  const apply = info.verb === 'patch' && isApply(contentType);
  // Before what is asked of the write.
  if (info.verb === 'patch' && !apply) patchKindOf(contentType, Boolean(resource.typeName));
  const { context, draftOptions } = writingOf(request, resource, registry, apply, renderer);
  const body = await countedBody(request, resource);
  context.bytes = body.length;
  await request.context.turns.next();
  const versions = requestVersion(resource, registry);
  const decoded = () => {
    const draft = decodeDraft(targetOf(resource), versions.strategy, body, contentType, draftOptions);
    if (info.verb !== 'patch') request.audited?.sent(() => inOrder(draft, resource));
    return draft;
  };
  if (info.verb === 'create') {
    const draft = versions.settle(decoded());
    if (isLarge(body.length)) await pause();
    return sendObject(request, 201, renderer, await createObject(registry, info.namespace, draft, context));
  }
  const createIfAbsent =
    info.subresource === '' && (apply || (registry.strategy.allowCreateOnUpdate === true && info.verb === 'update'));
  const force = isTrue(exchange.query.get('force'));
  const now = () => registry.options.clock.now();
  const applying = { context, name: info.name, force, draft: draftOptions, now };
  // What is wrong with the whole object is told before whether there is one to change.
  let first = info.verb === 'update' ? decoded() : undefined;
  if (first) checkIdentity(registry, keyOf(info), first);
  const draft = () => {
    const made = first ?? decoded();
    first = undefined;
    return made;
  };
  const transform =
    info.verb === 'update'
      ? draft
      : apply
        ? applyTransform(resource, versions.strategy, body, applying)
        : patchTransform(resource, versions.strategy, body, contentType, draftOptions, info.subresource);
  if (info.verb === 'patch') request.audited?.sent(() => readable(body, apply));
  // Creating by an update or apply takes the right to create, too.
  const allowed: Transform = current => {
    const waiting = !current && createIfAbsent ? authorizeCreate(request) : undefined;
    const make = () => {
      const made = transform(current && versions.show(current));
      return made instanceof Promise ? made.then(versions.settle) : versions.settle(made);
    };
    return waiting ? waiting.then(make) : make();
  };
  const { stored, created } = await updateObject(registry, keyOf(info), allowed, context, {
    createIfAbsent,
    patch: info.verb === 'patch',
  });
  return sendObject(request, created ? 201 : 200, renderer, stored);
}

/** As it is written. */
function inOrder(draft: Mutable<KubeObject>, { custom }: Resource): object {
  const { kind, apiVersion } = draft;
  return custom ? draft : { kind, apiVersion, ...draft };
}

/** A patch as it came. */
function readable(body: Uint8Array, apply: boolean): unknown {
  try {
    return (apply ? parseYaml(body) : parseJson(body)).value;
  } catch {
    // It is refused by others.
    return undefined;
  }
}

function writingOf(
  request: ResourceRequest,
  resource: Resource,
  registry: Registry,
  apply: boolean,
  { isProtobuf = false }: Renderer,
) {
  const { exchange, info, user, warnings } = request;
  const { query } = exchange;
  const p = writeParameters(query, exchange.headers['user-agent'] ?? '', optionsKind[info.verb]!, apply);
  const warn = (m: string) => void warnings.push(m);
  const context = {
    ...writeContext(user, p, info.subresource, writeOptions(query), warn),
    ...ofRequest(request),
    ...(apply ? { applied: true } : {}),
    // Known when the body has come.
    bytes: 0,
    protobuf: isProtobuf,
    ...(resource === registry.resource ? {} : { requested: resource }),
  };
  return { context, draftOptions: { fieldValidation: p.fieldValidation, warn } };
}

/** What a client asked of the write itself, for admission to see: a create or an update, which has no force. */
function writeOptions(query: URLSearchParams): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of ['fieldManager', 'fieldValidation']) {
    const value = query.get(name)?.toWellFormed();
    if (value) options[name] = value;
  }
  return options;
}

function authorizeCreate({ context, info, user }: ResourceRequest): Promise<void> | undefined {
  return requireAllowed(context.authorizer, attributesOf({ ...info, verb: 'create' }, user));
}

export const optionsKind: Record<string, string> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
};
