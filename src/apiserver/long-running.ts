import type { RequestInfo } from './request-info.ts';

const streams = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

/** Requests that may last as long as their client likes: no limit of requests at work counts them. */
export function isLongRunning({ isResource, verb, subresource, path }: RequestInfo): boolean {
  if (isResource) return verb === 'watch' || verb === 'proxy' || (subresource !== '' && streams.has(subresource));
  return path.startsWith('/debug/pprof/');
}
