// Remembers which schema a user's requests of a kind match, so that a request costs a few look-ups.
import type { FlowSchema, PolicyRulesWithSubjects } from '../../../api/type/flowcontrol-v1.ts';
import type { UserInfo } from '../../authn/user.ts';
import type { RequestInfo } from '../../request-info.ts';
import { matchRules, rulesFor } from './classify.ts';

interface Candidate<T> {
  readonly value: T;
  readonly rules: readonly PolicyRulesWithSubjects[];
}

interface Known<T> {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly clusterScope: boolean;
  readonly value: T | undefined;
  /** The namespace decides: ask again. */
  readonly depends: boolean;
}

interface UserMemo<T> {
  readonly candidates: readonly Candidate<T>[];
  /** By verb, then by resource. */
  readonly resources: Map<string, Map<string, Known<T>[]>>;
  /** By verb, then by path. */
  readonly paths: Map<string, Map<string, T | undefined>>;
  size: number;
}

/** A client that asks for ever new names must not fill the memory. */
const mostKnown = 2000;

export class FlowMemo<T> {
  readonly #schemas: readonly { readonly schema: FlowSchema; readonly value: T }[];
  #users = new WeakMap<UserInfo, UserMemo<T>>();

  /** In order of precedence. */
  constructor(schemas: readonly { readonly schema: FlowSchema; readonly value: T }[]) {
    this.#schemas = schemas;
  }

  /** Users are told apart by identity. */
  find(user: UserInfo, info: RequestInfo): T | undefined {
    let memo = this.#users.get(user);
    if (!memo || memo.size > mostKnown) {
      memo = this.#begin(user);
      this.#users.set(user, memo);
    }
    return info.isResource ? resourceOf(memo, info) : pathOf(memo, info);
  }

  #begin(user: UserInfo): UserMemo<T> {
    const candidates = this.#schemas
      .map(({ schema, value }) => ({ value, rules: rulesFor(schema, user) }))
      .filter(c => c.rules.length > 0);
    return { candidates, resources: new Map(), paths: new Map(), size: 0 };
  }
}

function resourceOf<T>(memo: UserMemo<T>, info: RequestInfo): T | undefined {
  const list = memo.resources.get(info.verb)?.get(info.resource);
  const clusterScope = info.namespace === '';
  if (list) {
    for (const k of list) {
      if (k.group !== info.group || k.subresource !== info.subresource || k.clusterScope !== clusterScope) continue;
      return k.depends ? firstOf(memo, info).value : k.value;
    }
  }
  const { value, depends } = firstOf(memo, info);
  const { group, resource, subresource } = info;
  memo.size++;
  within(memo.resources, info.verb, () => new Map<string, Known<T>[]>());
  within(memo.resources.get(info.verb)!, resource, () => []).push({
    group,
    resource,
    subresource,
    clusterScope,
    value,
    depends,
  });
  return value;
}

function pathOf<T>(memo: UserMemo<T>, info: RequestInfo): T | undefined {
  const paths = within(memo.paths, info.verb, () => new Map<string, T | undefined>());
  if (paths.has(info.path)) return paths.get(info.path);
  const { value } = firstOf(memo, info);
  memo.size++;
  paths.set(info.path, value);
  return value;
}

function firstOf<T>({ candidates }: UserMemo<T>, info: RequestInfo): { value: T | undefined; depends: boolean } {
  let depends = false;
  for (const c of candidates) {
    const found = matchRules(c.rules, info);
    depends ||= found.depends;
    if (found.matches) return { value: c.value, depends };
  }
  return { value: undefined, depends };
}

function within<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
