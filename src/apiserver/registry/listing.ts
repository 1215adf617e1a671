// Lists: the semantics of resourceVersion, resourceVersionMatch, limit and continue.

import { badRequest, expired, invalid, StatusError, tooLargeResourceVersion } from '../../api/status.ts';
import { quote } from '../../base/quote.ts';
import { type WholeNumber, wholeNumber } from '../../base/whole-number.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Selection } from './selection.ts';
import type { Stored } from './stored.ts';
import type { WatchCache } from './watch-cache.ts';

export interface ListRequest {
  readonly namespace: string;
  readonly selection: Selection;
  readonly limit: number;
  /** The limit goes for a list from the store only. */
  readonly isWhole?: boolean;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
}

export interface ListResult {
  readonly items: readonly Stored[];
  readonly revision: number;
  readonly continue: string;
  /** Only known for lists without selectors. */
  readonly remaining: number | undefined;
}

/** Throws 400 and 422 for parameters that contradict each other, as Kubernetes words it. */
export function checkListParameters(p: {
  limit: number;
  continue: string;
  resourceVersion: string;
  resourceVersionMatch: string;
}): void {
  const match = p.resourceVersionMatch;
  if (match) {
    const causes: { reason: string; message: string; field: string }[] = [];
    const add = (reason: string, message: string) => causes.push({ reason, message, field: 'resourceVersionMatch' });
    const forbid = (why: string) => add('FieldValueForbidden', `Forbidden: resourceVersionMatch ${why}`);
    if (!p.resourceVersion) forbid('is forbidden unless resourceVersion is provided');
    if (p.continue) forbid('is forbidden when continue is provided');
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      const supported = 'supported values: "Exact", "NotOlderThan", ""';
      add('FieldValueNotSupported', `Unsupported value: ${JSON.stringify(match)}: ${supported}`);
    }
    if (match === 'Exact' && p.resourceVersion === '0') forbid('"exact" is forbidden for resourceVersion "0"');
    if (causes.length) throw invalid({ group: 'meta.k8s.io', resource: 'ListOptions' }, '', causes);
  }
  if (p.continue) {
    decodeContinue(p.continue);
    if (p.resourceVersion && p.resourceVersion !== '0')
      throw badRequest('specifying resource version is not allowed when using continue');
  }
  const wrong = wrongRevision(p.resourceVersion);
  if (wrong) throw badRequest(`invalid resource version: ${wrong}`);
}

/** Of a resourceVersion that is a number of 64 bits. */
export const revisionOf = (text: string): WholeNumber => wholeNumber(BigInt(text));

/** Throws unless it is empty or a number; Kubernetes takes this for its own fault when it reads one object or watches. */
export function checkRevision(text: string): void {
  const wrong = wrongRevision(text);
  if (wrong) throw new StatusError(500, '', wrong);
}

/** What is wrong with a resourceVersion, in Go's words; undefined for an empty one and for a number of 64 bits. */
function wrongRevision(text: string): string | undefined {
  const isNumber = /^\d*$/.test(text);
  if (isNumber && (text.length < 20 || BigInt(text) < 1n << 64n)) return undefined;
  const quoted = quote(text);
  const why = isNumber ? 'value out of range' : 'invalid syntax';
  return `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${why}`;
}

export async function listCache(cache: WatchCache, dispatcher: Dispatcher, request: ListRequest): Promise<ListResult> {
  checkListParameters(request);
  const namespace = request.namespace || request.selection.namespace;
  const scope = namespace ? `${namespace}/` : '';
  let limit = request.isWhole ? 0 : request.limit;
  let revision = dispatcher.revision;
  let tree = cache.snapshot();
  let after: string | undefined;
  let fromStore = false;
  if (request.continue) {
    const token = decodeContinue(request.continue);
    after = scope + token.after;
    if (token.revision > 0) {
      tree = await at(token.revision, () => inconsistentToken(dispatcher.revision, token.after));
      revision = token.revision;
    } else limit = request.limit;
  } else if (Number(request.resourceVersion) > 0) {
    const asked = revisionOf(request.resourceVersion);
    const exact = request.resourceVersionMatch === 'Exact' || (!request.resourceVersionMatch && limit > 0);
    if (exact && asked > revision) {
      // The store is asked, which knows no such version; one that is behind another server waits first.
      await dispatcher.freshen();
      if (asked > dispatcher.revision) throw tooLargeResourceVersion(asked, dispatcher.revision, 0);
    }
    await dispatcher.reached(asked, cache.counts);
    revision = dispatcher.revision;
    tree = cache.snapshot();
    if (exact && asked !== revision) {
      revision = Number(asked);
      tree = await at(revision);
    }
  }
  return page();

  async function at(asked: number, gone?: () => StatusError) {
    if (asked > dispatcher.revision) throw tooLargeResourceVersion(asked, dispatcher.revision, 0);
    if (asked < dispatcher.listableFrom) throw gone?.() ?? tooOld();
    try {
      return cache.snapshotAt(asked);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
    }
    fromStore = true;
    const page = await dispatcher.readAt(cache.prefix, asked);
    if (!page) throw gone?.() ?? tooOld();
    return cache.treeOf(page.entries);
  }

  function page(): ListResult {
    cache.checkReadable(scope);
    const items: Stored[] = [];
    const { selection } = request;
    let more = false;
    let looked = 0;
    tree.scan(scope, after, stored => {
      looked++;
      if (!selection.everything && !selection.matches(stored.object)) return undefined;
      if (limit > 0 && items.length === limit) {
        more = true;
        return false;
      }
      items.push(stored);
      return undefined;
    });
    if (!fromStore) {
      const { counts } = cache;
      counts.lists++;
      counts.fetched += looked;
      counts.returned += items.length;
    }
    const last = items.at(-1);
    if (!more || !last) return { items, revision, continue: '', remaining: undefined };
    return {
      items,
      revision,
      continue: encodeContinue({ revision, after: last.key.slice(scope.length) }),
      remaining: selection.everything ? tree.count(scope, last.key) : undefined,
    };
  }
}

const tooOld = () => expired('The resourceVersion for the provided list is too old.');

// The answer to a continue token that is too old carries a fresh one, to go on without consistency.
function inconsistentToken(revision: number, after: string): StatusError {
  const gone = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  );
  return gone.withListMeta({ continue: encodeContinue({ revision: -1, after }), resourceVersion: String(revision) });
}
