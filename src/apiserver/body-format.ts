import { type Parsed, parseJson, parseYaml, unrecognized } from '../api/decode.ts';
import { decodeProtobuf } from '../api/protobuf.ts';
import { unsupportedMediaType } from '../api/status.ts';

export type DecodedBody = Parsed;

const accepted = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

function decodeAs(body: Uint8Array, kind: string | undefined) {
  if (kind !== undefined && !startsAsProtobuf(body)) {
    const why = 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]';
    throw unrecognized(kind, why, body);
  }
  return decodeProtobuf(body);
}

const startsAsProtobuf = (body: Uint8Array) =>
  body[0] === 0x6b && body[1] === 0x38 && body[2] === 0x73 && body[3] === 0;

/** Parses by content type; JSON when none is given. Throws 400 and 415; with `kind`, worded for a body of that kind. */
export function decodeYamlOrJson(body: Uint8Array, contentType: string | undefined, kind?: string): DecodedBody {
  const type = contentType === undefined ? 'application/json' : contentType.split(';', 1)[0]!.trim().toLowerCase();
  switch (type) {
    case 'application/json':
    case '':
    case '*/*':
      return parseJson(body, kind);
    case 'application/yaml':
    case 'application/x-yaml':
    case 'text/yaml':
      return parseYaml(body, kind);
    case 'application/vnd.kubernetes.protobuf':
      return { value: decodeAs(body, kind).object, duplicates: [] };
    default:
      throw unsupportedMediaType(accepted);
  }
}
