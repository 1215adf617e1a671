// Which permissions a request to the kubelet's port needs.

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

const under = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`);

export interface NeededAccess {
  readonly verb: string;
  /** Of nodes; one of them is enough, asked in this order. */
  readonly subresources: readonly string[];
}

/** `path` without the query. Finer permissions than nodes/proxy come first; nodes/proxy does as well. */
export function neededAccess(method: string, path: string): NeededAccess {
  return { verb: verbs[method] ?? '', subresources: subresourcesOf(path) };
}

function subresourcesOf(path: string): string[] {
  if (under(path, '/stats')) return ['stats'];
  if (under(path, '/metrics')) return ['metrics'];
  // "log" to stay as it always was.
  if (under(path, '/logs')) return ['log'];
  if (under(path, '/checkpoint')) return ['checkpoint'];
  if (under(path, '/statusz')) return ['statusz'];
  if (under(path, '/flagz')) return ['flagz'];
  if (under(path, '/configz')) return ['configz', 'proxy'];
  if (under(path, '/healthz')) return ['healthz', 'proxy'];
  if (under(path, '/pods') || under(path, '/runningpods')) return ['pods', 'proxy'];
  return ['proxy'];
}
