// What the server tells about itself: discovery and OpenAPI.
import type { Aggregation } from './aggregation/aggregation.ts';
import type { ApiContext } from './context.ts';
import { publishedSchema } from './custom/published-schema.ts';
import {
  discoveryDocument,
  discoveryPaths,
  type PeerGroups,
  type RemoteGroups,
  servedBy,
} from './discovery/discovery.ts';
import type { PathHandler } from './handler.ts';
import type { HealthCheck, VersionInfo } from './health.ts';
import { documentV3, type Source } from './openapi/documents.ts';
import { openApiPaths } from './openapi/openapi.ts';
import { withOthers } from './peer/kernel/merged-list.ts';
import { noSuchPath } from './plain-refusal.ts';
import { responseHeaders } from './respond.ts';

export interface SurfaceOptions {
  readonly context: ApiContext;
  readonly version: VersionInfo;
  readonly checks: readonly HealthCheck[];
  /** Groups that other servers serve. */
  readonly remote?: RemoteGroups & Pick<Aggregation, 'openApi' | 'serveOpenApi'>;
  /** Groups that other servers of the store serve. */
  readonly peers?: PeerGroups;
}

export interface Surface {
  readonly paths: readonly PathHandler[];
  /** The same documents for in-process clients: the same object while nothing changes. Throws 404. */
  local(path: string): unknown;
}

export function createSurface({ context, version, remote, peers, checks }: SurfaceOptions): Surface {
  const source = (): Source => ({
    resources: servedBy(context).resources,
    version: version.gitVersion,
    ...(remote ? { remote: remote.openApi() } : {}),
    customSchema: ({ custom }, openApi) => custom && publishedSchema(custom, openApi),
  });
  // Controllers ask for all of them twice a minute: what has not changed is the same object.
  const kept = { revision: '', documents: new Map<string, object>() };
  const discovery = (path: string): object | undefined => {
    const revision = `${context.surface.revision} ${context.resources.size} ${remote?.revision} ${peers?.revision}`;
    if (revision !== kept.revision) kept.documents.clear();
    kept.revision = revision;
    const known = kept.documents.get(path);
    if (known) return known;
    const own = discoveryDocument(servedBy(context, remote), path, '');
    const document = peers ? withOthers(own, path, peers.merge([], /^\/api\b/.test(path))) : own;
    if (document) kept.documents.set(path, document);
    return document;
  };
  return {
    paths: [
      discoveryPaths(context, remote, peers),
      openApiPaths({
        source,
        ...(remote ? { serveRemote: (exchange, user, id) => remote.serveOpenApi(exchange, user, id) } : {}),
      }),
      indexPath(context, checks),
    ],
    local(path) {
      if (path === '/version') return version;
      const document = discovery(path) ?? openApiDocument(source, path);
      if (!document) throw noSuchPath();
      return document;
    },
  };
}

/** `/openapi/v3/apis/GROUP/VERSION`; undefined when there is none. */
function openApiDocument(source: () => Source, path: string): unknown {
  const m = /^\/openapi\/v3\/(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path);
  if (!m) return undefined;
  const [group, version] = [m[1] ?? '', m[2]!];
  const now = source();
  const served = now.resources.some(gv => gv.group === group && gv.version === version);
  return served ? documentV3(now, group, version) : undefined;
}

/** What `/` lists: the paths that have a handler of their own. */
function indexPath(context: ApiContext, checks: readonly HealthCheck[]): PathHandler {
  const health = ['healthz', 'livez', 'readyz'].flatMap(endpoint => {
    const mine = checks.filter(c => endpoint !== 'livez' || c.live);
    return [`/${endpoint}`, ...mine.map(c => `/${endpoint}/${c.name}`)];
  });
  return exchange => {
    if (exchange.path !== '/' && exchange.path !== '/index.html') return false;
    const groups = servedBy(context).groups.flatMap(({ name, versions }) =>
      name ? [`/apis/${name}`, ...versions.map(v => `/apis/${name}/${v.version}`)] : [],
    );
    const paths = [...new Set([...roots, ...groups, ...health])].sort();
    exchange.respond(200, responseHeaders('application/json', []), JSON.stringify({ paths }, null, 2));
    return true;
  };
}

const roots = [
  '/.well-known/openid-configuration',
  '/api',
  '/api/v1',
  '/apis',
  '/apis/',
  '/metrics',
  '/metrics/slis',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/',
  '/openid/v1/jwks',
  '/version',
];
