// What a request asks for, read off its method, path and query: the only place that knows URL patterns.
import { own } from '../base/own.ts';

export interface RequestInfo {
  readonly isResource: boolean;
  /** get, list, watch, create, update, patch, delete, deletecollection; for other paths the lower-case method. */
  readonly verb: string;
  /** 'api' or 'apis'; '' for other paths. */
  readonly prefix: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** What follows the subresource: the path to proxy. */
  readonly rest: string;
  readonly path: string;
}

const verbs: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
const namespaceSubresources = new Set(['status', 'finalize']);

/** `path`: decoded, without the query. As in Kubernetes it is split afterwards: `a%2Fb` are two parts of it. */
export function parseRequest(method: string, path: string, query: URLSearchParams): RequestInfo {
  const other = (prefix = '', group = '', version = ''): RequestInfo => ({
    isResource: false,
    verb: method.toLowerCase(),
    prefix,
    group,
    version,
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    rest: '',
    path,
  });
  const parts = trimSlashes(path).split('/');
  const prefix = parts.shift();
  if (prefix !== 'api' && prefix !== 'apis') return other();
  if (parts.length < (prefix === 'api' ? 2 : 3))
    return other(prefix, prefix === 'apis' ? (parts[0] ?? '') : '', parts[prefix === 'api' ? 0 : 1] ?? '');
  const group = prefix === 'apis' ? parts.shift()! : '';
  const version = parts.shift()!;
  let verb = own(verbs, method) ?? '';
  // The deprecated form of watches, /api/v1/watch/..., and one of proxies that nothing serves any more.
  if (parts[0] === 'watch' || parts[0] === 'proxy') verb = parts.shift()!;
  let namespace = '';
  let resource: string;
  if (parts[0] === 'namespaces' && parts.length > 2 && !namespaceSubresources.has(parts[2]!)) {
    namespace = parts[1]!;
    resource = parts[2]!;
    parts.splice(0, 3);
  } else {
    resource = parts.shift() ?? '';
  }
  const name = parts.shift() ?? '';
  // A request for a namespace object is about that namespace, for authorization as well; whatever group calls it so.
  if (resource === 'namespaces' && name) namespace = name;
  const subresource = parts.shift() ?? '';
  if (!name && (verb === 'get' || verb === 'watch'))
    verb = verb === 'watch' || isTrue(query.get('watch')) ? 'watch' : 'list';
  if (!name && verb === 'delete') verb = 'deletecollection';
  return {
    isResource: true,
    verb,
    prefix,
    group,
    version,
    namespace,
    resource,
    subresource,
    name,
    rest: parts.join('/'),
    path,
  };
}

/** Without the slashes it begins and ends with. */
export function trimSlashes(path: string): string {
  let [start, end] = [0, path.length];
  while (path[start] === '/') start++;
  while (end > start && path[end - 1] === '/') end--;
  return path.slice(start, end);
}

/** How query parameters say yes. */
export function isTrue(value: string | null | undefined): boolean {
  return value !== null && value !== undefined && value !== '0' && value.toLowerCase() !== 'false';
}
