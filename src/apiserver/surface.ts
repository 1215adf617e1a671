// What the server tells about itself: discovery and OpenAPI.
import { StatusError } from '../api/status.ts';
import type { Aggregation } from './aggregation/aggregation.ts';
import type { ApiContext } from './context.ts';
import { publishedSchema } from './custom/published-schema.ts';
import { discoveryDocument, discoveryPaths, type RemoteGroups, servedBy } from './discovery/discovery.ts';
import type { PathHandler } from './handler.ts';
import type { VersionInfo } from './health.ts';
import { documentV3, everyGroupVersion, type Source } from './openapi/documents.ts';
import { openApiPaths } from './openapi/openapi.ts';

export interface SurfaceOptions {
  readonly context: ApiContext;
  readonly version: VersionInfo;
  /** Groups that other servers serve. */
  readonly remote?: RemoteGroups & Pick<Aggregation, 'openApi' | 'serveOpenApi'>;
}

export interface Surface {
  readonly paths: readonly PathHandler[];
  /** The same documents for in-process clients. Throws 404. */
  local(path: string): unknown;
}

export function createSurface({ context, version, remote }: SurfaceOptions): Surface {
  const source = (): Source => ({
    resources: servedBy(context).resources,
    version: version.gitVersion,
    ...(remote ? { remote: remote.openApi() } : {}),
    customSchema: ({ custom }, openApi) => custom && publishedSchema(custom, openApi),
  });
  return {
    paths: [
      discoveryPaths(context, remote),
      openApiPaths({
        source,
        ...(remote ? { serveRemote: (exchange, user, id) => remote.serveOpenApi(exchange, user, id) } : {}),
      }),
      rootPath,
    ],
    local(path) {
      if (path === '/version') return version;
      const document = discoveryDocument(servedBy(context, remote), path, '') ?? openApiDocument(source, path);
      if (!document) throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
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
  const served = everyGroupVersion(now.resources).some(gv => gv.group === group && gv.version === version);
  return served ? documentV3(now, group, version) : undefined;
}

const roots = [
  '/api',
  '/api/v1',
  '/apis',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/readyz',
  '/version',
];

const rootPath: PathHandler = exchange => {
  if (exchange.path !== '/') return false;
  exchange.respond(200, { 'content-type': 'application/json' }, `${JSON.stringify({ paths: roots }, null, 2)}\n`);
  return true;
};
