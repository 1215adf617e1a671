import { type Parsed, parseJson, parseYaml } from '../api/decode.ts';
import { decodeProtobuf } from '../api/protobuf.ts';
import { unsupportedMediaType } from '../api/status.ts';

export type DecodedBody = Parsed;

const accepted = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

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
      return parseYaml(body);
    case 'application/vnd.kubernetes.protobuf':
      return { value: decodeProtobuf(body).object, duplicates: [] };
    default:
      throw unsupportedMediaType(accepted);
  }
}
