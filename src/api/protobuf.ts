// Kubernetes' protobuf form: `k8s\0`, then runtime.Unknown around the object.
import { parseJson } from './decode.ts';
import type { KubeObject, Mutable } from './meta.ts';
import { normalize } from './normalize.ts';
import { ProtoReadCodecs } from './proto-read-codec.ts';
import { messageShape, ProtoReader, truncated } from './proto-reader.ts';
import type { Plain } from './proto-wire-type.ts';
import { writeCodecOf } from './proto-write-codec.ts';
import { ProtoWriter, writeField, writeMessage } from './proto-writer.ts';
import { builtinResources } from './resource.ts';
import { isTypeName } from './schema.ts';
import { badRequest } from './status.ts';

const magic = Buffer.from('k8s\0');
const writer = new ProtoWriter();
// Tags of the envelope, and of the type in it: all are strings or bytes.
const [typeMetaTag, rawTag, apiVersionTag, kindTag] = [1 * 8 + 2, 2 * 8 + 2, 1 * 8 + 2, 2 * 8 + 2];

/** An object in its envelope. */
export interface EncodedObject {
  readonly whole: Buffer;
  /** A view of the part that is an item of the object's list (field 2) as well: tag, length, message. */
  readonly item: Buffer;
}

const itemTag = 2 * 8 + 2;

/** `object` is canonical (see normalize); its kind and apiVersion go into the envelope. */
export function encodeProtobufObject(typeName: string, object: KubeObject): EncodedObject {
  try {
    writer.raw(envelopeTail);
    writeItem(typeName, object);
    const end = writer.size;
    writeHead(object);
    const whole = writer.take();
    return { whole, item: whole.subarray(whole.length - end, whole.length - envelopeTail.length) };
  } finally {
    writer.reset();
  }
}

/** The object in its envelope. */
export const encodeProtobuf = (typeName: string, object: KubeObject): Buffer =>
  encodeProtobufObject(typeName, object).whole;

/** The object as an item of its list, bare. */
export function encodeProtobufItem(typeName: string, object: KubeObject): Buffer {
  try {
    writeItem(typeName, object);
    return writer.take();
  } finally {
    writer.reset();
  }
}

function writeItem(typeName: string, object: KubeObject): void {
  const before = writer.size;
  writeCodecOf(typeName).write(writer, object as unknown as Plain);
  writer.varint(writer.size - before);
  writer.varint(itemTag);
}

function writeHead({ kind = '', apiVersion = '' }: Pick<KubeObject, 'kind' | 'apiVersion'>): void {
  const before = writer.size;
  writer.string(kind);
  writer.varint(kindTag);
  writer.string(apiVersion);
  writer.varint(apiVersionTag);
  writer.varint(writer.size - before);
  writer.varint(typeMetaTag);
  writer.raw(magic);
}

/** What stands around a message of `size` bytes that is written elsewhere. */
export function protobufEnvelope(
  typeMeta: { apiVersion: string; kind: string },
  size: number,
): { head: Buffer; tail: Buffer } {
  try {
    writer.varint(size);
    writer.varint(rawTag);
    writeHead(typeMeta);
    return { head: writer.take(), tail: envelopeTail };
  } finally {
    writer.reset();
  }
}

const [contentEncodingTag, contentTypeTag] = [3 * 8 + 2, 4 * 8 + 2];
// Both are empty.
const envelopeTail = Buffer.from([contentEncodingTag, 0, contentTypeTag, 0]);

/** A watch event around the bytes of an enveloped object, as it stands in a length-delimited watch stream. */
export function encodeProtobufWatchEvent(type: string, object: Uint8Array): Uint8Array {
  writeMessage(writer, 2, () => writeField(writer, 1, () => writer.bytes(object)));
  writeField(writer, 1, () => writer.string(type));
  return writer.take();
}

/** What the envelope says is in it. Throws as decodeProtobuf. */
export function protobufTypeMeta(bytes: Uint8Array): { apiVersion: string; kind: string } {
  const { apiVersion, kind } = open(bytes);
  return { apiVersion, kind };
}

export const isProtobuf = (bytes: Uint8Array): boolean => magic.equals(bytes.subarray(0, 4));

/**
 * The object is canonical and all the caller's. Throws a StatusError (400) for bytes that do not decode or a kind that is
 * not known. `typeName` overrides the kind's; `typeMeta` counts where the envelope does not say.
 */
export function decodeProtobuf(
  bytes: Uint8Array,
  typeName?: string,
  typeMeta?: { readonly apiVersion: string; readonly kind: string },
): { typeMeta: { apiVersion: string; kind: string }; typeName: string; object: Mutable<KubeObject> } {
  const said = open(bytes);
  const apiVersion = said.apiVersion || typeMeta?.apiVersion || '';
  const kind = said.kind || typeMeta?.kind || '';
  const name = typeName ?? typeNameOf(apiVersion, kind);
  if (nesting >= mostNesting) throw badRequest('exceeded max depth');
  nesting++;
  try {
    const reader = new ProtoReader(said.raw);
    const fields = readCodecs.of(name).read(reader, said.raw.length);
    // The only kind with messages in messages of the same type.
    if (kind === 'CustomResourceDefinition') checkDepth(fields, 0);
    const object = normalize(name, { kind, apiVersion, ...fields });
    return { typeMeta: { apiVersion, kind }, typeName: name, object };
  } catch (error) {
    throw error instanceof RangeError ? badRequest('exceeded max depth') : error;
  } finally {
    nesting--;
  }
}

const nothing = Buffer.alloc(0);
const readCodecs = new ProtoReadCodecs(bytes =>
  isProtobuf(bytes) ? decodeProtobuf(bytes).object : parseJson(bytes).value,
);

// Objects in raw extensions of objects, and messages in messages: everything that walks a value recurses.
const mostNesting = 16;
let nesting = 0;
const maxDepth = 1000;

function checkDepth(value: unknown, depth: number): void {
  if (depth > maxDepth) throw badRequest('exceeded max depth');
  for (const key in value as object) {
    const child = (value as Plain)[key];
    if (typeof child === 'object' && child !== null) checkDepth(child, depth + 1);
  }
}

const unknownShape = messageShape('Unknown', ['TypeMeta', 2], ['Raw', 2], ['ContentEncoding', 2], ['ContentType', 2]);
const typeMetaShape = messageShape('TypeMeta', ['APIVersion', 2], ['Kind', 2]);

interface Envelope {
  apiVersion: string;
  kind: string;
  raw: Buffer;
}

function open(bytes: Uint8Array): Envelope {
  if (bytes.length === 0) throw badRequest('empty data');
  if (!isProtobuf(bytes))
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  if (bytes.length === magic.length) throw badRequest('empty body');
  const r = new ProtoReader(bytes.subarray(magic.length));
  const out: Envelope = { apiVersion: '', kind: '', raw: nothing };
  while (r.at < r.length) {
    const tag = r.varint();
    if (tag === typeMetaTag) readTypeMeta(r, r.end(), out);
    else if (tag === rawTag) out.raw = r.bytes();
    else if (tag === contentEncodingTag || tag === contentTypeTag) r.bytes();
    else r.skipUnknown(tag, unknownShape);
  }
  return out;
}

function readTypeMeta(r: ProtoReader, end: number, out: Envelope): void {
  while (r.at < end) {
    const tag = r.varint();
    if (tag === apiVersionTag) out.apiVersion = r.string();
    else if (tag === kindTag) out.kind = r.string();
    else r.skipUnknown(tag, typeMetaShape);
  }
  if (r.at !== end) throw truncated();
}

function typeNameOf(apiVersion: string, kind: string): string {
  const name = builtinResources().typeNameOf(apiVersion, kind);
  if (name) return name;
  const common = `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`;
  if (isTypeName(common)) return common;
  throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
}
