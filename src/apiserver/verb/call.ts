// What is not read and written as an object: subresources with code of their own, and resources that are not stored.
import { normalize } from '../../api/decode.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Resource } from '../../api/resource.ts';
import { admitConnect } from '../admission/admit-call.ts';
import { decodeWhole } from '../body.ts';
import { decodeYamlOrJson } from '../body-format.ts';
import type { CallHandler, CallResult } from '../context.ts';
import { writeContext, writeParameters } from '../options.ts';
import { isApply, parsePatch, patchKindOf } from '../patch.ts';
import type { Registry } from '../registry/registry.ts';
import { Stored } from '../registry/stored.ts';
import { rendererFor, sendForm, sendList } from '../rendering.ts';
import { sendObject } from '../respond.ts';
import { keyOf, ofRequest, type ResourceRequest, readBody } from './resource-request.ts';
import { optionsKind } from './write.ts';

export async function handleCall(
  request: ResourceRequest,
  resource: Resource,
  registry: Registry | undefined,
  handler: CallHandler,
): Promise<void> {
  return answerCall(request, resource, registry, await runCall(request, resource, registry, handler));
}

function runCall(request: ResourceRequest, resource: Resource, registry: Registry | undefined, handler: CallHandler) {
  const { exchange, info, user, warnings } = request;
  const contentType = exchange.headers['content-type'];
  const apply = info.verb === 'patch' && isApply(contentType);
  const p = writeParameters(
    exchange.query,
    exchange.headers['user-agent'] ?? '',
    optionsKind[info.verb] ?? 'CreateOptions',
    apply,
  );
  return handler({
    verb: info.verb,
    resource,
    registry,
    key: keyOf(info),
    context: { ...writeContext(user, p, info.subresource, {}, m => void warnings.push(m)), ...ofRequest(request) },
    query: exchange.query,
    contentType,
    fieldValidation: p.fieldValidation,
    // A patch is JSON by any of its media types but that of apply.
    body: async () => {
      const body = await readBody(request);
      const decoded = apply
        ? decodeYamlOrJson(body, 'application/yaml')
        : info.verb === 'patch'
          ? parsePatch(body, patchKindOf(contentType, !resource.custom), true)
          : decodeWhole(resource.subresources.get(info.subresource)?.kind ?? resource.kind, body, contentType);
      request.audited?.sent(() =>
        info.verb === 'patch' ? decoded.value : inFull(request, decoded.value as KubeObject),
      );
      return decoded;
    },
  });
}

/** With what its type always writes; as it came when it is no such thing. */
function inFull({ context }: ResourceRequest, object: KubeObject): object {
  const { apiVersion = '', kind = '' } = object;
  const typeName = context.table.typeNameOf(apiVersion, kind);
  if (!typeName) return object;
  try {
    return { kind, apiVersion, ...normalize(typeName, object) };
  } catch {
    return object;
  }
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
  if (object instanceof Stored && registry) return sendObject(request, code, rendererFor(request, resource), object);
  return sendForm(request, code, object instanceof Stored ? object.object : object);
}

/** Admission of a stream, before it begins. Throws StatusError. */
export function admitStream(
  { exchange, info, user, warnings }: ResourceRequest,
  resource: Resource,
  registry: Registry,
) {
  const context = writeContext(
    user,
    { dryRun: false, fieldManager: '', fieldValidation: 'Ignore' },
    info.subresource,
    {},
    m => void warnings.push(m),
  );
  return admitConnect({ registry, resource, info, query: exchange.query, context });
}
