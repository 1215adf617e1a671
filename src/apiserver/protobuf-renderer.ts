// Objects, lists and watches in Kubernetes' protobuf.
import type { KubeObject } from '../api/meta.ts';
import { encodeProtobuf, encodeProtobufItem, encodeProtobufWatchEvent, protobufEnvelope } from '../api/protobuf.ts';
import { apiVersionOf } from '../api/ref.ts';
import type { ListResult } from './registry/listing.ts';
import { lengthDelimited, type Stored } from './registry/stored.ts';
import { bookmarkOf, listMetadata, type Renderer, type RenderOptions } from './render.ts';

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
  return {
    ...streams,
    object: stored => stored.protobuf(typeName),
    list: result =>
      protobufList(
        { apiVersion, kind: `${kind}List` },
        result,
        result.items.map(stored => stored.protobufItem(typeName)),
      ),
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
  typeMeta: { apiVersion: string; kind: string },
  result: ListResult,
  items: readonly Buffer[],
  metadataTag = 1 * 8 + 2,
): Iterable<Uint8Array> {
  const metadata = encodeProtobufItem(`${metaTypes}ListMeta`, listMetadata(result) as unknown as KubeObject).item;
  metadata[0] = metadataTag;
  let size = metadata.length;
  for (const item of items) size += item.length;
  const envelope = protobufEnvelope(typeMeta, size);
  yield envelope.head;
  yield metadata;
  yield* items;
  yield envelope.tail;
}

function partialRenderer(version: 'v1' | 'v1beta1'): Renderer {
  const typeName = `${metaTypes}PartialObjectMetadata`;
  const typeMeta = { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}` };
  const partial = ({ object }: Stored): KubeObject => ({ ...typeMeta, metadata: object.metadata });
  const old = version === 'v1beta1';
  const item = (stored: Stored) => {
    const bytes = encodeProtobufItem(typeName, partial(stored)).item;
    // The older list holds its items in field 1 and its metadata in field 2.
    if (old) bytes[0] = 1 * 8 + 2;
    return bytes;
  };
  return {
    ...streams,
    object: stored => encodeProtobuf(typeName, partial(stored)),
    list: result =>
      protobufList(
        { ...typeMeta, kind: 'PartialObjectMetadataList' },
        result,
        result.items.map(item),
        old ? 2 * 8 + 2 : undefined,
      ),
    frame: (type, stored) => event(type, typeName, partial(stored)),
    initial: stored => [event('ADDED', typeName, partial(stored))],
    bookmark: (revision, initial) => event('BOOKMARK', typeName, bookmarkOf(typeMeta, revision, initial) as KubeObject),
  };
}
