// Objects, lists and watches in Kubernetes' protobuf.
import type { KubeObject } from '../api/meta.ts';
import { encodeProtobuf, encodeProtobufItem, encodeProtobufWatchEvent, protobufEnvelope } from '../api/protobuf.ts';
import { apiVersionOf } from '../api/ref.ts';
import type { ListResult } from './registry/listing.ts';
import { lengthDelimited, type Stored } from './registry/stored.ts';
import { bookmarkOf, type ListParts, listMetadata, type Renderer, type RenderOptions } from './render.ts';

const contentType = 'application/vnd.kubernetes.protobuf';
const metaTypes = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
export const statusTypeName = `${metaTypes}Status`;

/** Serves kinds that have a protobuf form, and the metadata of any kind. */
export function protobufRenderer({ resource, accepted }: RenderOptions): Renderer | undefined {
  if (accepted.mediaType !== contentType || accepted.as === 'Table') return undefined;
  if (accepted.as) return partialRenderer(accepted.asVersion);
  const { typeName, kind } = resource;
  if (!typeName) return undefined;
  const apiVersion = apiVersionOf(resource);
  const parts: ListParts = {
    name: 'protobuf',
    *items(items) {
      for (const stored of items) yield stored.protobufItem(typeName);
    },
    ends: (result, bytes) => protobufEnds({ apiVersion, kind: `${kind}List` }, result, bytes),
  };
  return {
    ...streams,
    isProtobuf: true,
    object: stored => stored.protobuf(typeName),
    list: result => protobufList(parts.ends, result, [...parts.items(result.items, true)]),
    parts,
    frame: (type, stored) => stored.protobufFrame(type, typeName),
    initial: stored => [lengthDelimited(encodeProtobufWatchEvent('ADDED', stored.protobuf(typeName)))],
    bookmark: (revision, initial) =>
      event('BOOKMARK', typeName, bookmarkOf({ kind, apiVersion }, revision, initial) as KubeObject),
  };
}

const streams = {
  contentType,
  streamType: `${contentType};stream=watch`,
  error: (status: unknown) => event('ERROR', statusTypeName, status as KubeObject),
};

function event(type: string, typeName: string, object: KubeObject): Buffer {
  return lengthDelimited(encodeProtobufWatchEvent(type, encodeProtobuf(typeName, object)));
}

function* protobufList(
  ends: ListParts['ends'],
  result: ListResult,
  items: readonly Uint8Array[],
): Iterable<Uint8Array> {
  let bytes = 0;
  for (const item of items) bytes += item.length;
  const { head, tail } = ends(result, bytes);
  yield head;
  yield* items;
  yield tail;
}

function protobufEnds(
  typeMeta: { apiVersion: string; kind: string },
  result: ListResult,
  bytes: number,
  metadataTag = 1 * 8 + 2,
): { head: Buffer; tail: Buffer } {
  const metadata = encodeProtobufItem(`${metaTypes}ListMeta`, listMetadata(result) as unknown as KubeObject);
  metadata[0] = metadataTag;
  const envelope = protobufEnvelope(typeMeta, metadata.length + bytes);
  return { head: Buffer.concat([envelope.head, metadata]), tail: envelope.tail };
}

function partialRenderer(version: 'v1' | 'v1beta1'): Renderer {
  const typeName = `${metaTypes}PartialObjectMetadata`;
  const typeMeta = { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}` };
  const partial = ({ object }: Stored): KubeObject => ({ ...typeMeta, metadata: object.metadata });
  const old = version === 'v1beta1';
  const item = (stored: Stored) => {
    const bytes = encodeProtobufItem(typeName, partial(stored));
    // The older list holds its items in field 1 and its metadata in field 2.
    if (old) bytes[0] = 1 * 8 + 2;
    return bytes;
  };
  return {
    ...streams,
    object: stored => encodeProtobuf(typeName, partial(stored)),
    list: result =>
      protobufList(
        (listed, bytes) =>
          protobufEnds({ ...typeMeta, kind: 'PartialObjectMetadataList' }, listed, bytes, old ? 2 * 8 + 2 : undefined),
        result,
        result.items.map(item),
      ),
    frame: (type, stored) => event(type, typeName, partial(stored)),
    initial: stored => [event('ADDED', typeName, partial(stored))],
    bookmark: (revision, initial) => event('BOOKMARK', typeName, bookmarkOf(typeMeta, revision, initial) as KubeObject),
  };
}
