// RFC 7386.
import { own } from '../../base/own.ts';
import { badRequest } from '../status.ts';
import { isPlain, jsonKind, type Plain, setKey } from './plain.ts';

/** A new document; the input stays as it is and shares what did not change. Throws a StatusError (400) for what is no object. */
export function applyMergePatch<T = unknown>(object: T, patch: unknown): T {
  if (!isPlain(patch)) {
    if (patch === null) throw badRequest('Invalid JSON Patch');
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${jsonKind(patch)} into Go value of type map[string]interface {}`,
    );
  }
  return merge(object, patch) as T;
}

/** Within lists, too, members that are null are nothing to the API server's library, but where a list replaces a map. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  return isPlain(value) ? merge(undefined, value) : value;
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return isPlain(target) ? patch : withoutNulls(patch);
  const out: Plain = isPlain(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null || value === undefined) delete out[key];
    else setKey(out, key, merge(own(out, key), value));
  }
  return out;
}
