// One request to the API server: it may well succeed, or is far from it, or lies between.
import { type AskedKind, askedKind, nameOf, namespaceOf } from './asked-kind.ts';
import { type Chance, oddTexts } from './chance.ts';
import { customGroup } from './custom-kinds.ts';
import { bodyOf } from './request-body.ts';
import { acceptOf, furtherHeaders, impersonationOf, queryOf } from './request-query.ts';

export interface Request {
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
  /** The answer need not end. */
  readonly endless: boolean;
}

/** Where a request goes, before it is known what it says. */
export interface Course {
  readonly kind: AskedKind;
  readonly method: string;
  readonly name: string;
  readonly subresource: string;
  readonly path: string;
  /** Where such objects are made. */
  readonly home: string;
  /** It is to change what is there, so that has to be read first. */
  readonly reads: boolean;
}

// What speaks to nodes and pods, and so to whatever addresses they say to have: only of those that are not there.
const streamed = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);
const methods = [
  'POST',
  'POST',
  'POST',
  'POST',
  'PUT',
  'PUT',
  'PUT',
  'PATCH',
  'PATCH',
  'PATCH',
  'PATCH',
  'GET',
  'GET',
  'DELETE',
];

export function courseOf(c: Chance): Course {
  const kind = askedKind(c);
  const given = [...kind.subresources.keys()];
  const subresource =
    given.length && c.once(3) ? c.pick(given) : c.once(150) ? c.pick([...streamed, 'status', 'x']) : '';
  const method = c.once(100)
    ? c.pick(['HEAD', 'OPTIONS', 'CONNECTX', 'TRACE', 'constructor', '__proto__'])
    : methodOf(c, kind, subresource);
  const odd = c.once(20);
  const name = odd ? c.pick(oddTexts).toWellFormed() : nameOf(c, kind);
  const inPath = streamed.has(subresource)
    ? c.pick(['absent', '%2e%2e', 'https:absent:x', 'absent:http'])
    : encodeURIComponent(name);
  let path = `${kind.group ? `/apis/${kind.group}` : '/api'}/${kind.version}`;
  if (c.once(60)) path += '/watch';
  if (kind.namespaced ? !c.once(25) : c.once(80)) path += `/namespaces/${encodeURIComponent(namespaceOf(c, kind))}`;
  path += `/${kind.resource}`;
  const home = path;
  const ofCollection =
    method === 'POST' ? !subresource : !['PUT', 'PATCH'].includes(method) && c.once(method === 'DELETE' ? 12 : 3);
  const collection = ofCollection !== c.once(100);
  if (!collection) path += `/${inPath}${subresource ? `/${subresource}` : ''}`;
  if (streamed.has(subresource) && c.once(3)) path += `/${c.pick(['..', 'a/b', '%zz', '//x', '?'])}`;
  const reads =
    !path.includes('watch') &&
    !collection &&
    !odd &&
    !streamed.has(subresource) &&
    ['PUT', 'PATCH'].includes(method) &&
    !c.once(3);
  return { kind, method, name, subresource, path, home, reads };
}

function methodOf(c: Chance, { subresources, resourceRow }: AskedKind, subresource: string): string {
  const verbs = subresource ? subresources.get(subresource)?.verbs : resourceRow?.verbs;
  // What can only be created is created.
  if (verbs?.length === 1 && verbs[0] === 'create' && !c.once(12)) return 'POST';
  if (subresource && subresource !== 'eviction') return c.pick(['PUT', 'PATCH', 'PATCH', 'GET', 'POST']);
  return c.pick(methods);
}

/** `current`: the object as it is now, for a course that reads it. */
export function requestOf(c: Chance, course: Course, current: Record<string, unknown> | undefined): Request {
  const { kind, method, name, subresource, path } = course;
  const { body, type } = bodyOf(c, { kind, method, name, subresource, current });
  const query = queryOf(c, method, kind.resourceRow);
  const applied =
    type.includes('apply') && !c.once(10) ? `${query ? `${query}&` : '?'}fieldManager=${c.pick(['a', 'b'])}` : query;
  const force = type.includes('apply') && c.once(2) ? `${applied ? `${applied}&` : '?'}force=true` : applied;
  const full = `${path}${force}`;
  return {
    headers: {
      ...{ ':method': method, ':path': full, ...(type ? { 'content-type': type } : {}) },
      ...acceptOf(c),
      ...impersonationOf(c),
      ...furtherHeaders(c),
    },
    body,
    endless: /watch|follow/.test(full),
  };
}

const pages = [
  ...[
    '/openapi/v2',
    '/openapi/v3',
    '/openapi/v3/api/v1',
    '/openapi/v3/apis/apps/v1',
    `/openapi/v3/apis/${customGroup}/v1`,
  ],
  ...[
    '/version',
    '/healthz',
    '/livez',
    '/readyz',
    '/readyz/ping',
    '/healthz/poststarthook/x',
    '/metrics',
    '/metrics/slis',
  ],
  ...[
    '/api',
    '/apis',
    '/api/v1',
    '/apis/apps',
    '/apis/apps/v1',
    `/apis/${customGroup}`,
    `/apis/${customGroup}/v2`,
    '/',
  ],
  ...[
    '/.well-known/openid-configuration',
    '/openid/v1/jwks',
    '/statusz',
    '/flagz',
    '/logs',
    '/debug/api_priority_and_fairness/x',
  ],
  ...['/debug/api_priority_and_fairness/dump_priority_levels', '/debug/flags/v', '/ui', '/apis/none.example.com/v1/x'],
];

/** What is no object: documents, health, and paths that are none. */
export function pageRequest(c: Chance): Request {
  let path: string = c.pick(pages);
  if (c.once(3))
    path += c.pick(['/', '//', '/..', '/%2e%2e', '/%00', '/%ff', '/x/y/z', '/__proto__', '/constructor', '%']);
  const query = c.once(3)
    ? c.pick(['?verbose', '?exclude=ping&exclude=x', '?hash=x', '?timeout=x', '?%', '?x=%zz&x'])
    : '';
  const method = c.once(6) ? c.pick(['POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']) : 'GET';
  const headers = {
    ':method': method,
    ':path': path + query,
    ...acceptOf(c),
    ...impersonationOf(c),
    ...furtherHeaders(c),
  };
  return { headers, body: method === 'GET' ? undefined : Buffer.from('{}'), endless: false };
}
