// /api, /apis and below: which resources there are.
import { createHash } from 'node:crypto';
import type { KubeObject } from '../../api/meta.ts';
import { encodeProtobuf } from '../../api/protobuf.ts';
import type { Group } from '../../api/resource.ts';
import type { RegisteredVersion } from '../aggregation/kernel/remote-discovery.ts';
import type { ApiContext } from '../context.ts';
import type { PathHandler } from '../handler.ts';
import type { Exchange } from '../http/exchange.ts';
import type { GroupEntry } from '../peer/kernel/merge-discovery.ts';
import { trimSlashes } from '../request-info.ts';
import { onlyGet, sendDocument } from '../respond.ts';
import {
  type AggregatedDiscovery,
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiVersions,
  resourceList,
  type Served,
} from './documents.ts';

// v2beta1 is no more: who takes the documents there were before, too, gets those.
const aggregated =
  /(application\/(?:json|vnd\.kubernetes\.protobuf));(?=[^,]*\bg=apidiscovery\.k8s\.io\b)(?=[^,]*\bas=APIGroupDiscoveryList\b)[^,]*\bv=v2\b[^,]*/g;
/** Asks for what this server itself serves; the last profile that is named counts. */
const alone = /;\s*profile=nopeer\s*(?:;(?!\s*profile=)[^;]*)*$/;

const aggregatedType = 'io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList';

/** Group versions as their APIServices have them. */
export interface RemoteGroups {
  versions(): readonly RegisteredVersion[];
  /** APIServices of what is served here that somebody has deleted: lists are without it. */
  withdrawn(): ReadonlySet<string>;
  /** Moves when they may have changed. */
  readonly revision: number;
}

/** What other servers of the store serve besides. */
export interface PeerGroups {
  merge(own: readonly GroupEntry[], core: boolean): readonly GroupEntry[];
  /** Moves when `merge` may come to something else. */
  readonly revision: number;
  /** What was asked for: this server alone, or all, made anew or not. */
  counted(what: 'alone' | 'kept' | 'made'): void;
}

const listed = new WeakMap<ApiContext, Pick<Served, 'groups' | 'resources'> & { readonly revision: number }>();

export function servedBy(context: ApiContext, remote?: RemoteGroups): Served {
  const { table, customGroups, resources, surface } = context;
  let own = listed.get(context);
  if (own?.revision !== surface.revision || own.resources.length !== resources.size) {
    own = {
      revision: surface.revision,
      groups: customGroups.size ? withCustom(table.groups, customGroups) : table.groups,
      resources: [...resources.values()],
    };
    listed.set(context, own);
  }
  return {
    groups: own.groups,
    resources: own.resources,
    ...(remote ? { registered: remote.versions(), withdrawn: remote.withdrawn() } : {}),
  };
}

/** Custom resources may lie in a group of the table's, in versions of their own. */
function withCustom(groups: readonly Group[], custom: ReadonlyMap<string, Group>): readonly Group[] {
  const builtin = new Set(groups.map(g => g.name));
  return [
    ...groups.map(g => {
      const more = custom.get(g.name);
      if (!more) return g;
      const known = new Set(g.versions.map(v => v.version));
      return { ...g, versions: [...g.versions, ...more.versions.filter(v => !known.has(v.version))] };
    }),
    ...[...custom.values()].filter(g => !builtin.has(g.name)),
  ];
}

/** The document at `path`, or undefined. */
export function discoveryDocument(served: Served, path: string, host: string): object | undefined {
  const parts = path.split('/').slice(1);
  if (parts[0] === 'api') {
    if (parts.length === 1) return apiVersions(host);
    return parts.length === 2 ? resourceList(served, '', parts[1]!) : undefined;
  }
  if (parts[0] !== 'apis') return undefined;
  if (parts.length === 1) return apiGroupList(served);
  if (parts.length === 2) return apiGroup(served, parts[1]!);
  return parts.length === 3 ? resourceList(served, parts[1]!, parts[2]!) : undefined;
}

/** The one that is wanted most. */
function aggregatedClause(accept: string): { mediaType: string; clause: string } | undefined {
  const found = [...accept.matchAll(aggregated)].map(([clause, mediaType]) => ({ clause, mediaType: mediaType! }));
  const weight = ({ clause }: { clause: string }) => Number(/;\s*q=([\d.]+)/.exec(clause)?.[1] ?? 1);
  return found.length > 1 ? found.sort((a, b) => weight(b) - weight(a))[0] : found[0];
}

interface Made {
  readonly document: AggregatedDiscovery;
  readonly body: string;
  readonly etag: string;
  readonly revision: string;
}

export function discoveryPaths(context: ApiContext, remote?: RemoteGroups, peers?: PeerGroups): PathHandler {
  const cache = new Map<boolean, Made>();
  const merged = new Map<boolean, Made>();
  return exchange => {
    // Slashes at the end are nothing, but to the aggregator's own list: `/apis//` is a group without a name.
    const trimmed = trimSlashes(exchange.path);
    const path = trimmed === 'apis' ? exchange.path.replace(/^\/apis\/$/, '/apis') : `/${trimmed}`;
    if (exchange.path.startsWith('//') || path.startsWith('/apis//')) return false;
    if (isRouted(context, path)) onlyGet(exchange);
    if (path === '/api' || path === '/apis') {
      const asked = aggregatedClause(exchange.headers.accept ?? '');
      if (asked) {
        sendAggregated(exchange, asked.mediaType, path === '/api', alone.test(asked.clause));
        return true;
      }
    }
    const document = discoveryDocument(
      servedBy(context, remote),
      path,
      exchange.headers.host ?? String(exchange.headers[':authority'] ?? ''),
    );
    if (!document) return false;
    sendDocument(exchange, document);
    return true;
  };

  /** The aggregator's own documents, and those of custom resources, come by any method. */
  function isRouted({ resources }: ApiContext, path: string): boolean {
    const [, prefix, group, version, more] = path.split('/');
    if (prefix === 'api')
      return group === undefined || [...resources.values()].some(r => !r.group && r.version === group);
    if (prefix !== 'apis' || !version || more !== undefined) return false;
    for (const r of resources.values()) if (r.group === group && r.version === version) return !r.custom;
    return false;
  }

  function own(core: boolean): Made {
    const revision = `${context.surface.revision} ${remote?.revision}`;
    const kept = cache.get(core);
    if (kept?.revision === revision) return kept;
    context.counts.discoveryAggregations++;
    const made = madeOf(aggregatedDiscovery(servedBy(context, remote), core), revision);
    cache.set(core, made);
    return made;
  }

  function all(peers: PeerGroups, core: boolean): Made {
    const mine = own(core);
    const revision = `${mine.revision} ${peers.revision}`;
    const kept = merged.get(core);
    peers.counted(kept?.revision === revision ? 'kept' : 'made');
    if (kept?.revision === revision) return kept;
    const made = madeOf({ ...mine.document, items: peers.merge(mine.document.items, core) }, revision);
    merged.set(core, made);
    return made;
  }

  function sendAggregated(exchange: Exchange, mediaType: string, core: boolean, nopeer: boolean): void {
    if (peers && nopeer) peers.counted('alone');
    const { document, body, etag } = peers && !nopeer ? all(peers, core) : own(core);
    const headers = {
      'content-type': `${mediaType};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`,
      etag,
      vary: 'Accept',
      'cache-control': 'public',
    };
    if (exchange.headers['if-none-match'] === etag) exchange.respond(304, headers);
    else if (mediaType === 'application/json') exchange.respond(200, headers, body);
    else exchange.respond(200, headers, encodeProtobuf(aggregatedType, document as unknown as KubeObject));
  }
}

function madeOf(document: AggregatedDiscovery, revision: string): Made {
  const body = `${JSON.stringify(document)}\n`;
  return { document, body, etag: `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"`, revision };
}
