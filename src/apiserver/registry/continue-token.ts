import { jsonFault } from '../../api/json-syntax.ts';
import { isPlain, jsonKind } from '../../api/patch/plain.ts';
import { badRequest } from '../../api/status.ts';
import { messageOf } from '../../base/assert.ts';

const version = 'meta.k8s.io/v1';

/** Where a paged list goes on: opaque to clients, but in Kubernetes' form. */
export interface ContinueToken {
  readonly revision: number;
  /** The last key shown: `namespace/name`, in a list of one namespace `name`. */
  readonly after: string;
}

export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: version, rv: revision, start: `${after}\u0000` })).toString('base64url');
}

/** `revision` -1 asks to go on at the newest state. Throws 400 for anything this server did not make. */
export function decodeContinue(token: string): ContinueToken {
  const wrong = (why: string) => badRequest(`invalid continue token: continue key is not valid: ${why}`);
  const at = brokenAt(token);
  if (at >= 0) throw wrong(`illegal base64 data at input byte ${at}`);
  const value = parse(token, wrong);
  if (!isPlain(value))
    throw wrong(`json: cannot unmarshal ${jsonKind(value)} into Go value of type storage.continueToken`);
  const { v = '', rv = 0, start = '' } = value;
  for (const [field, given, type] of [
    ['v', v, 'string'],
    ['rv', rv, 'int64'],
    ['start', start, 'string'],
  ] as const) {
    if (type === 'int64' ? Number.isSafeInteger(given) : typeof given === 'string') continue;
    const kind = typeof given === 'number' ? `number ${given}` : jsonKind(given);
    throw wrong(`json: cannot unmarshal ${kind} into Go struct field continueToken.${field} of type ${type}`);
  }
  if (v !== version) throw wrong(`server does not recognize this encoded version ${v}`);
  if (rv === 0) throw wrong(`incorrect encoded start resourceVersion (version ${v})`);
  if (start === '') throw wrong(`encoded start key empty (version ${v})`);
  const after = String(start);
  if (`/${after}/`.includes('/../')) throw wrong(after);
  // Kubernetes' cache begins it with a slash, its storage does not.
  return { revision: rv as number, after: after.replace(/^\//, '').replace(/\u0000$/, '') };
}

function parse(token: string, wrong: (why: string) => Error): unknown {
  const bytes = Buffer.from(token, 'base64url');
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    throw wrong(jsonFault(bytes) ?? messageOf(error));
  }
}

/** Where Go's reader of unpadded base64 stops; -1 when it does not. */
function brokenAt(token: string): number {
  const at = token.search(/[^A-Za-z0-9_-]/);
  if (at >= 0) return at;
  return token.length % 4 === 1 ? token.length - 1 : -1;
}
