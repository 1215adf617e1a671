// /api, /apis and below: which resources there are.
import { createHash } from 'node:crypto';
import type { KubeObject } from '../../api/meta.ts';
import { encodeProtobuf } from '../../api/protobuf.ts';
import type { Group } from '../../api/resource.ts';
import type { RegisteredVersion } from '../aggregation/kernel/remote-discovery.ts';
import type { ApiContext } from '../context.ts';
import type { PathHandler } from '../handler.ts';
import type { Exchange } from '../http/exchange.ts';
import { trimSlashes } from '../request-info.ts';
import { onlyGet, sendDocument } from '../respond.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiVersions, resourceList, type Served } from './documents.ts';

// v2beta1 is no more: who takes the documents there were before, too, gets those.
const aggregated =
  /(application\/(?:json|vnd\.kubernetes\.protobuf));(?=[^,]*\bg=apidiscovery\.k8s\.io\b)(?=[^,]*\bas=APIGroupDiscoveryList\b)[^,]*\bv=v2\b/;

const aggregatedType = 'io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList';

/** Group versions as their APIServices have them. */
export interface RemoteGroups {
  versions(): readonly RegisteredVersion[];
  /** APIServices of what is served here that somebody has deleted: lists are without it. */
  withdrawn(): ReadonlySet<string>;
  /** Moves when they may have changed. */
  readonly revision: number;
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

export function discoveryPaths(context: ApiContext, remote?: RemoteGroups): PathHandler {
  const cache = new Map<boolean, { document: object; body: string; etag: string; revision: string }>();
  return exchange => {
    // Slashes at the end are nothing, but to the aggregator's own list: `/apis//` is a group without a name.
    const trimmed = trimSlashes(exchange.path);
    const path = trimmed === 'apis' ? exchange.path.replace(/^\/apis\/$/, '/apis') : `/${trimmed}`;
    if (exchange.path.startsWith('//') || path.startsWith('/apis//')) return false;
    if (isRouted(context, path)) onlyGet(exchange);
    if (path === '/api' || path === '/apis') {
      const asked = aggregated.exec(exchange.headers.accept ?? '');
      if (asked) {
        sendAggregated(exchange, asked[1]!, path === '/api');
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

  function sendAggregated(exchange: Exchange, mediaType: string, core: boolean): void {
    let made = cache.get(core);
    const revision = `${context.surface.revision} ${remote?.revision}`;
    if (made?.revision !== revision) {
      const document = aggregatedDiscovery(servedBy(context, remote), core);
      context.counts.discoveryAggregations++;
      const body = `${JSON.stringify(document)}\n`;
      const etag = `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"`;
      made = { document, body, etag, revision };
      cache.set(core, made);
    }
    const headers = {
      'content-type': `${mediaType};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`,
      etag: made.etag,
      vary: 'Accept',
      'cache-control': 'public',
    };
    if (exchange.headers['if-none-match'] === made.etag) exchange.respond(304, headers);
    else if (mediaType === 'application/json') exchange.respond(200, headers, made.body);
    else exchange.respond(200, headers, encodeProtobuf(aggregatedType, made.document as KubeObject));
  }
}
