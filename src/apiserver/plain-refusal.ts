// Refusals that Kubernetes words in plain text, because no handler of its API has seen the request.
import { StatusError } from '../api/status.ts';
import type { ApiContext } from './context.ts';

/** Sent as text over HTTP; in process a Status like any other. */
export class PlainRefusal extends StatusError {
  readonly text: string;

  constructor(status: StatusError, text: string) {
    super(status.code, status.status.reason as '', status.message, status.status.details);
    this.text = text;
  }
}

export const noSuchPath = () =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

export const pageNotFound = () => new PlainRefusal(noSuchPath(), '404 page not found\n');

// Each a router of its own, which knows all that is below it.
const roots = ['/api', '/version', '/openid/v1/jwks', '/.well-known/openid-configuration'];

/**
 * What is said of a path that nothing serves. Below the root of a built-in group (`/apis/apps/…`), and of what is routed
 * as these are, Kubernetes' router answers with a Status; everything else has passed all its handlers, those of custom
 * resources last, and is a page that is not found.
 */
export function unknownPath({ resources }: ApiContext, path: string): StatusError {
  if (path.startsWith('//')) return pageNotFound();
  if (roots.some(root => path === root || path.startsWith(`${root}/`))) return noSuchPath();
  const [, prefix, group] = path.split('/');
  if (prefix !== 'apis' || !group) return pageNotFound();
  for (const resource of resources.values()) if (resource.group === group && !resource.custom) return noSuchPath();
  return pageNotFound();
}
