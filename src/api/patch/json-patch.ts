// RFC 6902, as the API server applies it.
import { own } from '../../base/own.ts';
import { badRequest, requestTooLarge, StatusError } from '../status.ts';
import { LongLists } from './long-list.ts';
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
  const operations = patch.map(decoded);
  const document = new Document(object);
  try {
    for (const operation of operations) document.apply(operation);
    document.lists.settleAll();
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

interface Place {
  readonly parent: Container;
  readonly key: string;
}

class Document {
  root: unknown;
  /** Containers made by this patch, which may be changed in place. */
  readonly #owned = new WeakSet<object>();
  readonly lists = new LongLists();
  #copiedBytes = 0;

  constructor(root: unknown) {
    this.root = root;
  }

  apply(given: Plain): void {
    const { op, path, from = '', value } = checked(given);
    if (op === 'add') this.#add(path, value);
    else if (op === 'remove') this.#remove(path);
    else if (op === 'replace') this.#replace(path, value);
    else if (op === 'move') this.#move(from, path);
    else if (op === 'copy') this.#copy(from, path);
    else if (op === 'test') this.#test(path, value);
    else throw new OperationError(`Unexpected kind: ${op}`);
  }

  #add(path: string, value: unknown): void {
    const { parent, key } = this.#open(path) ?? fail(`add operation does not apply: doc is missing path: "${path}"`);
    within(`error in add for path: '${path}'`, () => this.#insert(parent, key, value));
  }

  #remove(path: string): void {
    const { parent, key } = this.#open(path) ?? fail(`remove operation does not apply: doc is missing path: "${path}"`);
    within(`error in remove for path: '${path}'`, () => this.#take(parent, key));
  }

  #replace(path: string, value: unknown): void {
    if (path === '') {
      this.root = value;
      return;
    }
    const { parent, key } = this.#open(path) ?? fail(`replace operation does not apply: doc is missing path: ${path}`);
    // The API server's library does not ask whether there was one.
    if (!Array.isArray(parent)) setKey(parent, key, value);
    else {
      const at = indexIn(key, this.lists.length(parent));
      this.lists.set(parent, at ?? fail(`replace operation does not apply: doc is missing key: ${path}`), value);
    }
  }

  #move(from: string, path: string): void {
    const source = this.#open(from) ?? fail(`move operation does not apply: doc is missing from path: ${from}`);
    const value = within(`error in move for path: '${source.key}'`, () => this.#take(source.parent, source.key));
    const target = this.#open(path) ?? fail(`move operation does not apply: doc is missing destination path: ${path}`);
    within(`error in move for path: '${path}'`, () => this.#insert(target.parent, target.key, value));
  }

  #copy(from: string, path: string): void {
    const source = this.#look(from) ?? fail(`copy operation does not apply: doc is missing from path: ${from}`);
    const value = within(`error in copy for from: '${from}'`, () => this.#read(source.parent, source.key)) ?? null;
    this.lists.settle(value);
    // Both places now share the value: neither may be changed in place.
    this.#disown(value);
    const target = this.#open(path) ?? fail(`copy operation does not apply: doc is missing destination path: ${path}`);
    this.#copiedBytes += (JSON.stringify(value) ?? '').length;
    if (this.#copiedBytes > maxCopyBytes) {
      throw requestTooLarge(
        `Unable to copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${maxCopyBytes}`,
      );
    }
    within('error while adding value during copy', () => this.#insert(target.parent, target.key, value));
  }

  #test(path: string, expected: unknown): void {
    const { parent, key } =
      path === ''
        ? { parent: { root: this.root }, key: 'root' }
        : (this.#look(path) ?? fail(`test operation does not apply: is missing path: ${path}`));
    // A missing member equals null.
    const actual = within(`error in test for path: '${path}'`, () => this.#read(parent, key));
    this.lists.settle(actual);
    if (!equalJson(actual ?? null, expected ?? null))
      throw new OperationError(`testing value ${path} failed: test failed`);
  }

  /** The container a path ends in, as it is; undefined when there is none. */
  #look(path: string): Place | undefined {
    const keys = split(path);
    const key = keys?.pop();
    if (!keys || key === undefined) return undefined;
    let at: unknown = this.root;
    for (const k of keys) {
      if (Array.isArray(at)) at = this.#item(at, indexIn(k, this.lists.length(at)));
      else at = isPlain(at) ? own(at, k) : undefined;
    }
    return typeof at === 'object' && at !== null ? { parent: at as Container, key } : undefined;
  }

  /** The same, made ours together with all above it. */
  #open(path: string): Place | undefined {
    if (!this.#look(path)) return undefined;
    const keys = split(path)!;
    const key = keys.pop()!;
    let at = this.#own(this.root);
    this.root = at;
    for (const k of keys) {
      at = this.#openChild(at, k);
    }
    return { parent: at, key };
  }

  #openChild(at: Container, key: string): Container {
    if (!Array.isArray(at)) {
      const child = this.#own(own(at, key));
      setKey(at, key, child);
      return child;
    }
    const index = indexIn(key, this.lists.length(at))!;
    const child = this.#own(this.lists.get(at, index));
    this.lists.set(at, index, child);
    return child;
  }

  #item(list: unknown[], at: number | undefined): unknown {
    return at === undefined ? undefined : this.lists.get(list, at);
  }

  #insert(parent: Container, key: string, value: unknown): void {
    if (!Array.isArray(parent)) {
      setKey(parent, key, value);
      return;
    }
    const length = this.lists.length(parent);
    if (key !== '-' && !INDEX.test(key))
      throw new OperationError(`value was not a proper array index: '${key}': ${notNumber(key)}`);
    this.lists.insert(parent, key === '-' ? length : reach(key, length + 1), value);
  }

  #take(parent: Container, key: string): unknown {
    if (Array.isArray(parent)) return this.lists.remove(parent, position(key, this.lists.length(parent)));
    if (!Object.hasOwn(parent, key)) fail(`Unable to remove nonexistent key: ${key}`);
    const value = parent[key];
    delete parent[key];
    return value;
  }

  #read(parent: Container, key: string): unknown {
    return Array.isArray(parent) ? this.lists.get(parent, position(key, this.lists.length(parent))) : own(parent, key);
  }

  #own(value: unknown): Container {
    if (this.#owned.has(value as object)) return value as Container;
    const copy: Container = Array.isArray(value) ? [...value] : { ...(value as Plain) };
    this.#owned.add(copy);
    return copy;
  }

  #disown(value: unknown): void {
    if (typeof value !== 'object' || value === null || !this.#owned.delete(value)) return;
    for (const child of Object.values(value)) this.#disown(child);
  }
}

/** Null is an operation without fields. Throws 400 for what is none. */
function decoded(given: unknown): Plain {
  const wrong = (value: unknown, place: string) =>
    badRequest(`error decoding patch: json: cannot unmarshal ${jsonKind(value)} into Go ${place}`);
  if (given === null) return {};
  if (!isPlain(given)) throw wrong(given, 'value of type handlers.jsonPatchOp');
  for (const [field, value] of Object.entries(given))
    if (texts.has(field) && value !== null && typeof value !== 'string')
      throw wrong(value, `struct field jsonPatchOp.${field} of type string`);
  return given;
}

const texts = new Set(['op', 'path', 'from']);

function checked(given: Plain): Operation {
  const { op, path, from } = given;
  if (typeof op !== 'string') throw new OperationError('Unexpected kind: unknown');
  if (typeof path !== 'string' && known.has(op)) {
    const detail = op === 'test' || op === 'replace' ? ': operation missing path field' : '';
    fail(`${op} operation failed to decode path${detail}`);
  }
  if ((op === 'move' || op === 'copy') && typeof from !== 'string')
    return fail(`${op} operation failed to decode from: operation, missing from field`);
  return { op, path: path as string, from: from as string, value: Object.hasOwn(given, 'value') ? given.value : null };
}

const known = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

const fail = (why: string): never => {
  throw new OperationError(`${why}: missing value`);
};

/** Runs it; of an operation's error it is said where it happened. */
function within<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof OperationError ? new OperationError(`${where}: ${error.message}`) : error;
  }
}

/** Undefined where there is no container to look in. */
function split(pointer: string): string[] | undefined {
  const keys = pointer.split('/');
  if (keys.length < 2) return undefined;
  return keys.slice(1).map(k => k.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const INDEX = /^[+-]?[0-9]+$/;
const notNumber = (key: string) => `strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`;

function position(key: string, length: number): number {
  if (!INDEX.test(key)) throw new OperationError(notNumber(key));
  return reach(key, length);
}

function reach(key: string, length: number): number {
  const at = indexIn(key, length);
  if (at === undefined) throw new OperationError(`Unable to access invalid index: ${key}: invalid index referenced`);
  return at;
}

// Negative indices count from the end, as the API server's library takes them.
function indexIn(key: string, length: number): number | undefined {
  if (!INDEX.test(key)) return undefined;
  const i = Number(key);
  const at = i < 0 ? i + length : i;
  return at < 0 || at >= length ? undefined : at;
}
