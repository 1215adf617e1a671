import { type JsonOptions, type Parsed, parseJson, parseYaml, unrecognized } from '../api/decode.ts';
import { jsonKind } from '../api/patch/plain.ts';
import { decodeProtobuf } from '../api/protobuf.ts';
import { badRequest, unsupportedMediaType } from '../api/status.ts';
import { mediaTypeOf } from './media-type.ts';

export interface DecodedBody extends Parsed {
  /** The value is a canonical object of this type, and all the caller's. */
  readonly typeName?: string;
}

const accepted = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

function decodeAs(body: Uint8Array, kind: string | undefined, typeName: string | undefined): DecodedBody {
  if (kind !== undefined && !startsAsProtobuf(body)) {
    const why = 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]';
    throw unrecognized(kind, why, body);
  }
  if (body.length === 4 && startsAsProtobuf(body)) throw badRequest('empty body');
  const decoded = decodeProtobuf(body, typeName);
  return { value: decoded.object, typeName: decoded.typeName, duplicates: [] };
}

const startsAsProtobuf = (body: Uint8Array) =>
  body[0] === 0x6b && body[1] === 0x38 && body[2] === 0x73 && body[3] === 0;

export interface DecodeOptions extends JsonOptions {
  /** Of protobuf that does not say. */
  readonly typeName?: string;
}

/** For what a built-in type is made of. */
export const asWritten = { numbers: 'written', anySize: true } as const;

/** Parses by content type; JSON when none is given. Throws 400 and 415. */
export function decodeYamlOrJson(
  body: Uint8Array,
  contentType: string | undefined,
  options: DecodeOptions = {},
): DecodedBody {
  const { kind, typeName } = options;
  switch (contentType ? mediaTypeOf(contentType) : 'application/json') {
    case 'application/json':
      return parseJson(body, options);
    case 'application/yaml':
      return parseYaml(body, kind);
    case 'application/vnd.kubernetes.protobuf':
      return decodeAs(body, kind, typeName);
    default:
      throw unsupportedMediaType(accepted);
  }
}

/** Of JSON that is no object. */
export function noTypeMeta(value: unknown): string {
  return `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonKind(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
}
