import { type JsonOptions, type Parsed, parseJson, parseYaml, unrecognized } from '../api/decode.ts';
import { jsonKind } from '../api/patch/plain.ts';
import { decodeProtobuf, protobufTypeMeta } from '../api/protobuf.ts';
import { badRequest, StatusError, unsupportedMediaType } from '../api/status.ts';
import { quote } from '../base/quote.ts';
import { groupVersionOf, scheme } from './body-kind.ts';
import { mediaTypeOf } from './media-type.ts';

export interface DecodedBody extends Parsed {
  /** The value is a canonical object of this type, and all the caller's. */
  readonly typeName?: string;
}

const accepted = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

export interface DecodeOptions extends JsonOptions {
  /** With `kind`. Unknown: of protobuf, what says to be another kind is refused in fewer words. */
  readonly apiVersion?: string;
  /** What protobuf is read as, whatever it says. */
  readonly typeName?: string;
}

function decodeAs(body: Uint8Array, { kind, apiVersion, typeName }: DecodeOptions): DecodedBody {
  const fallback = kind !== undefined && apiVersion !== undefined ? { kind, apiVersion } : undefined;
  try {
    const decoded = decodeProtobuf(body, typeName, fallback);
    return { value: decoded.object, typeName: decoded.typeName, duplicates: [] };
  } catch (error) {
    throw error instanceof StatusError && kind !== undefined ? refusedAs(kind, apiVersion, body, error) : error;
  }
}

/** Of what does not say what it is, and of what is no such thing. */
function refusedAs(
  kind: string,
  apiVersion: string | undefined,
  body: Uint8Array,
  { message }: StatusError,
): StatusError {
  let said: ReturnType<typeof protobufTypeMeta>;
  try {
    said = protobufTypeMeta(body);
  } catch {
    return unrecognized(kind, message, body);
  }
  const full = / cannot be handled as a \w+: /.exec(message);
  const bare = full ? message.slice(full.index + full[0].length) : message;
  const why = bare.startsWith('no kind ') ? `${bare} ${scheme}` : bare;
  const { version } = groupVersionOf(said.apiVersion || apiVersion || '');
  return badRequest(`${said.kind || kind} in version ${quote(version)} cannot be handled as a ${kind}: ${why}`);
}

/** For what a built-in type is made of. */
export const asWritten = { numbers: 'written', anySize: true } as const;

/** Parses by content type; JSON when none is given. Throws 400 and 415. */
export function decodeYamlOrJson(
  body: Uint8Array,
  contentType: string | undefined,
  options: DecodeOptions = {},
): DecodedBody {
  switch (contentType ? mediaTypeOf(contentType) : 'application/json') {
    case 'application/json':
      return parseJson(body, options);
    case 'application/yaml':
      return parseYaml(body, options.kind);
    case 'application/vnd.kubernetes.protobuf':
      return decodeAs(body, options);
    default:
      throw unsupportedMediaType(accepted);
  }
}

/** Of JSON that is no object. */
export function noTypeMeta(value: unknown): string {
  return `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonKind(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
}
