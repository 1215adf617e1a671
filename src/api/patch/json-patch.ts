// RFC 6902, as the API server applies it.
import { own } from '../../base/own.ts';
import { badRequest, requestTooLarge, StatusError } from '../status.ts';
import { equalJson, isPlain, jsonKind, type Plain, setKey } from './plain.ts';

export const maxOperations = 10_000;
/** Bytes of JSON that copy operations of one patch may add. */
export const maxCopyBytes = 3 * 1024 * 1024;

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** Why an operation does not apply; clients get the Status around it. */
class OperationError extends Error {
  override name = 'OperationError';
}

/**
 * A new document; the input stays as it is and shares what did not change. Throws a StatusError: 400 for what is no
 * patch, 413 beyond the limits, 422 for an operation that does not apply (the reason is its cause).
 */
export function applyJsonPatch<T = unknown>(object: T, patch: unknown): T {
  // No operations at all.
  if (patch === null) return object;
  if (!Array.isArray(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${jsonKind(patch)} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  if (patch.length > maxOperations) {
    throw requestTooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`);
  }
  const document = new Document(object);
  try {
    for (const operation of patch) document.apply(operation);
  } catch (error) {
    if (error instanceof OperationError) throw rejected(error);
    throw error;
  }
  return document.root as T;
}

function rejected(cause: OperationError): StatusError {
  const message = 'the server rejected our request due to an error in our request';
  return new StatusError(422, 'Invalid', message, {}, { cause });
}

type Container = unknown[] | Plain;

class Document {
  root: unknown;
  /** Containers made by this patch, which may be changed in place. */
  readonly #owned = new WeakSet<object>();
  #copiedBytes = 0;

  constructor(root: unknown) {
    this.root = root;
  }

  apply(given: unknown): void {
    const operation = checked(given);
    const { op, path } = operation;
    switch (op) {
      case 'add':
        this.#add(path, operation.value, op);
        return;
      case 'remove':
        this.#remove(path, op);
        return;
      case 'replace':
        this.#replace(path, operation.value);
        return;
      case 'move':
        if (operation.from === '') throw missing(op, '');
        this.#move(operation.from!, path);
        return;
      case 'copy':
        if (operation.from === '') throw missing(op, '');
        this.#copy(operation.from!, path);
        return;
      case 'test':
        this.#test(path, operation.value);
        return;
      default:
        throw new OperationError(`Unexpected kind: ${op}`);
    }
  }

  #add(path: string, value: unknown, op: string): void {
    // The API server's library replaces and tests a whole document, and does nothing else with it.
    if (path === '') throw missing(op, path);
    const { parent, key } = this.#open(path, op);
    if (Array.isArray(parent))
      parent.splice(key === '-' ? parent.length : index(key, parent.length + 1, path), 0, value);
    else setKey(parent, key, value);
  }

  #remove(path: string, op: string): unknown {
    if (path === '') throw missing(op, path);
    const { parent, key } = this.#open(path, op);
    if (Array.isArray(parent)) return parent.splice(index(key, parent.length, path), 1)[0];
    if (!Object.hasOwn(parent, key)) throw missing(op, path);
    const value = parent[key];
    delete parent[key];
    return value;
  }

  #replace(path: string, value: unknown): void {
    if (path === '') {
      this.root = value;
      return;
    }
    const { parent, key } = this.#open(path, 'replace');
    if (Array.isArray(parent)) parent[index(key, parent.length, path)] = value;
    // The API server's library does not ask whether there was one.
    else setKey(parent, key, value);
  }

  #move(from: string, path: string): void {
    if (path === from) {
      this.#get(from, 'move');
      return;
    }
    if (path.startsWith(`${from}/`)) throw new OperationError(`move operation: "${path}" lies inside "${from}"`);
    this.#add(path, this.#remove(from, 'move'), 'move');
  }

  #copy(from: string, path: string): void {
    const value = this.#get(from, 'copy', true);
    this.#copiedBytes += (JSON.stringify(value) ?? '').length;
    if (this.#copiedBytes > maxCopyBytes) {
      throw requestTooLarge(
        `Unable to copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${maxCopyBytes}`,
      );
    }
    // Both places now share the value: neither may be changed in place.
    this.#disown(value);
    this.#add(path, value, 'copy');
  }

  #test(path: string, expected: unknown): void {
    let actual: unknown;
    try {
      actual = this.#get(path, 'test');
    } catch (error) {
      // A missing member equals null.
      if (expected !== null || !(error instanceof OperationError)) throw error;
      actual = null;
    }
    if (!equalJson(actual ?? null, expected ?? null))
      throw new OperationError(`testing value ${path} failed: test failed`);
  }

  /** `orNull`: a missing member of what there is is null. */
  #get(path: string, op: string, orNull = false): unknown {
    let at: unknown = this.root;
    const keys = split(path);
    for (const [i, key] of keys.entries()) {
      if (Array.isArray(at)) at = at[index(key, at.length, path)];
      else if (isPlain(at) && Object.hasOwn(at, key)) at = at[key];
      else if (orNull && isPlain(at) && i === keys.length - 1) return null;
      else throw missing(op, path);
    }
    return at;
  }

  /** The container a path ends in, made ours together with all above it. */
  #open(path: string, op: string): { parent: Container; key: string } {
    const keys = split(path);
    const last = keys.pop()!;
    let at = this.#own(this.root, path, op);
    this.root = at;
    for (const key of keys) {
      if (Array.isArray(at)) {
        const i = index(key, at.length, path);
        at = at[i] = this.#own(at[i], path, op);
      } else {
        const child = this.#own(own(at, key), path, op);
        setKey(at, key, child);
        at = child;
      }
    }
    return { parent: at, key: last };
  }

  #own(value: unknown, path: string, op: string): Container {
    if (typeof value !== 'object' || value === null) throw missing(op, path);
    if (this.#owned.has(value)) return value as Container;
    const copy: Container = Array.isArray(value) ? [...value] : { ...(value as Plain) };
    this.#owned.add(copy);
    return copy;
  }

  #disown(value: unknown): void {
    if (typeof value !== 'object' || value === null || !this.#owned.delete(value)) return;
    for (const child of Object.values(value)) this.#disown(child);
  }
}

function checked(given: unknown): Operation {
  if (!isPlain(given))
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${jsonKind(given)} into Go value of type handlers.jsonPatchOp`,
    );
  const { op, path, from } = given;
  if (typeof op !== 'string') throw new OperationError('Unexpected kind: unknown');
  if (typeof path !== 'string') throw new OperationError(`${op} operation does not apply: path is missing`);
  if ((op === 'move' || op === 'copy') && typeof from !== 'string')
    throw new OperationError(`${op} operation does not apply: from is missing`);
  if ((op === 'add' || op === 'replace' || op === 'test') && !Object.hasOwn(given, 'value'))
    return { op, path, value: null };
  return { op, path, from: from as string, value: given.value };
}

const missing = (op: string, path: string) =>
  new OperationError(`${op} operation does not apply: doc is missing path: ${path}: missing value`);

function split(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw new OperationError(`path "${pointer}" does not begin with a slash`);
  return pointer
    .slice(1)
    .split('/')
    .map(k => k.replaceAll('~1', '/').replaceAll('~0', '~'));
}

// Negative indices count from the end, as the API server's library takes them.
function index(key: string, length: number, path: string): number {
  if (!/^(?:0|-?[1-9][0-9]*)$/.test(key)) throw new OperationError(`invalid array index "${key}" in "${path}"`);
  const i = Number(key);
  const at = i < 0 ? i + length : i;
  if (at < 0 || at >= length)
    throw new OperationError(`Unable to access invalid index: ${key}: invalid index referenced`);
  return at;
}
