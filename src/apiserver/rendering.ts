// Which form an answer takes, by what the client accepts; and how lists and lone objects are sent in it.
import { hasSeveralForms } from '../api/convert.ts';
import type { KubeObject } from '../api/meta.ts';
import { apiVersionOf } from '../api/ref.ts';
import { type Resource, resourceId } from '../api/resource.ts';
import { badRequest, notAcceptable, StatusError } from '../api/status.ts';
import type { ApiContext } from './context.ts';
import type { Exchange } from './http/exchange.ts';
import { counted, writeCompressed, writePacked, writePieces } from './list-writer.ts';
import { type Accepted, checkRouted, type MediaType, negotiate } from './negotiation.ts';
import { currentTrace, spending } from './observe/trace.ts';
import { prettyRenderer, wantsPretty } from './pretty.ts';
import { statusTypeName } from './protobuf-renderer.ts';
import type { ListResult } from './registry/listing.ts';
import { Stored } from './registry/stored.ts';
import { showAs, showCustom } from './registry/versions.ts';
import { jsonRenderer, type Renderer } from './render.ts';
import type { RequestInfo } from './request-info.ts';
import { acceptsGzip, responseHeaders, sendObject } from './respond.ts';

const protobuf: MediaType = 'application/vnd.kubernetes.protobuf';
const offered: readonly MediaType[] = ['application/json', 'application/yaml', protobuf];

interface Asked {
  readonly context: ApiContext;
  readonly exchange: Exchange;
  readonly warnings: string[];
  readonly info?: RequestInfo;
}

/** Throws 406 when the client takes nothing the kind can be written as. */
export function rendererFor({ context, exchange, info }: Asked, resource: Resource, streaming = false): Renderer {
  const { accept } = exchange.headers;
  // The answer to a request for a custom resource may be of a built-in kind.
  const custom = resource.custom ?? (info && context.resources.get(resourceId(info))?.custom);
  const lists = streaming || info?.verb === 'list';
  if (!custom) checkRouted(accept, lists ? [...offered, ...streams] : offered);
  const accepted = negotiateFor(resource, accept, streaming);
  const fault = info && formFault(accepted.as, info.verb, resource, exchange.query.get('includeObject') ?? '');
  // Where there is something to do before the answer, it is done.
  if (fault && (streaming || info.verb === 'list')) throw fault;
  const pretty = !streaming && accepted.mediaType === 'application/json' && (accepted.pretty || wantsPretty(exchange));
  const plain = plainRenderer(context, exchange, resource, accepted);
  // A Table's cells are made of the stored form.
  const renderer =
    resource.custom || (hasSeveralForms(resource) && accepted.as !== 'Table') ? versioned(plain, resource) : plain;
  if (fault) return refusing(renderer, fault);
  return pretty ? prettyRenderer(renderer) : renderer;
}

function refusing(renderer: Renderer, fault: StatusError): Renderer {
  const refuse = () => {
    throw fault;
  };
  return { ...renderer, isProtobuf: undefined, parts: undefined, object: refuse, list: refuse };
}

function negotiateFor(resource: Resource, accept: string | undefined, streaming: boolean): Accepted {
  // A custom resource has no protobuf form of its own.
  const accepted = negotiate(accept, { offered, protobufOfForms: !resource.typeName });
  if (streaming && accepted.mediaType === 'application/yaml') throw notAcceptable(streams);
  return accepted;
}

/** What is wrong with the form of a list where there is one object, with that of an object for a list, with a Table's rows. */
function formFault(as: string, verb: string, resource: Resource, includeObject: string): StatusError | undefined {
  if (as === 'Table' && !['None', 'Metadata', 'Object', ''].includes(includeObject))
    return badRequest(
      `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(includeObject)}: must be 'Metadata', 'Object', 'None', or empty`,
    );
  const isList = verb === 'list' || verb === 'deletecollection';
  if (!as.startsWith('Partial') || verb === 'watch' || isList === (as === 'PartialObjectMetadataList'))
    return undefined;
  const { custom, group, kind } = resource;
  if (custom && !isList) return new StatusError(500, '', 'content is not a list');
  const type = custom ? '*unstructured.Unstructured' : `*${group.split('.', 1)[0] || 'core'}.${kind}`;
  const is = isList ? `is a list (${type}List)` : `is not a list (${type})`;
  return new StatusError(406, 'NotAcceptable', `you requested ${as}, but the requested object ${is}`);
}

const streams = ['application/json;stream=watch', `${protobuf};stream=watch`];

/** Whatever version objects are stored in, shows them in the resource's. */
function versioned(renderer: Renderer, resource: Resource): Renderer {
  const { custom } = resource;
  const show = (stored: Stored) => (custom ? showCustom(stored, custom) : showAs(stored, apiVersionOf(resource)));
  return {
    ...renderer,
    isProtobuf: undefined,
    parts: undefined,
    object: stored => renderer.object(spending('TransformObject', () => show(stored))),
    list: result => renderer.list({ ...result, items: spending('TransformObject', () => result.items.map(show)) }),
    frame: (type, stored) => renderer.frame(type, show(stored)),
    initial: stored => renderer.initial(show(stored)),
  };
}

function plainRenderer(context: ApiContext, exchange: Exchange, resource: Resource, accepted: Accepted): Renderer {
  if (accepted.mediaType === 'application/json' && !accepted.as && apiVersionOf(resource) === resource.storedAs)
    return jsonRenderer(resource);
  const options = {
    resource,
    accepted,
    includeObject: exchange.query.get('includeObject') ?? 'Metadata',
    now: () => context.clock.now(),
  };
  for (const make of context.renderers) {
    const renderer = make(options);
    if (renderer) return renderer;
  }
  return jsonRenderer(resource);
}

/** Answers with a list; compressed when it is large and the client takes that. */
export async function sendList(
  { context, exchange, warnings }: Asked,
  renderer: Renderer,
  result: ListResult,
): Promise<void> {
  const headers = responseHeaders(renderer.contentType, warnings);
  const trace = currentTrace();
  trace?.begin('SerializeObject');
  if (!acceptsGzip(exchange)) {
    // What is not to be had in this form is refused before it begins.
    const pieces = renderer.list(result);
    await writePieces(exchange.open(200, headers), counted(exchange, pieces));
  } else if (renderer.parts && result.items.length > 0)
    await writePacked(exchange, headers, renderer.parts, result, context.packedParts);
  else await writeCompressed(exchange, headers, renderer.list(result));
  trace?.end('SerializeObject');
}

/** Answers with an object that is not stored: a Status, a Scale, a review. */
export function sendForm(asked: Asked, code: number, object: object): void | Promise<void> {
  const { kind = '', apiVersion = '' } = object as KubeObject;
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const typeName = kind === 'Status' ? statusTypeName : (asked.context.table.typeNameOf(apiVersion, kind) ?? '');
  const resource = { group, version: apiVersion.slice(slash + 1), kind, typeName, storedAs: apiVersion } as Resource;
  const renderer = rendererFor(kind === 'Scale' ? asked : withoutTables(asked, kind === 'Status'), resource);
  return sendObject(asked, code, renderer, new Stored('', object as KubeObject, 0));
}

/** What is not stored has no Table; a Status is always itself. */
function withoutTables(asked: Asked, plain: boolean): Asked {
  const { accept } = asked.exchange.headers;
  if (!accept?.includes('as=')) return asked;
  const clauses = accept.split(',');
  const left = plain
    ? clauses.map(c => c.replace(/;\s*(as|g|v)=[^;]*/g, ''))
    : clauses.filter(c => !/;\s*as=Table\b/.test(c));
  if (left.length === 0) throw notAcceptable(offered);
  const headers = { ...asked.exchange.headers, accept: left.join(',') };
  return { ...asked, exchange: { query: asked.exchange.query, headers } as Exchange };
}
