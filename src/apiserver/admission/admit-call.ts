// Admission of what a subresource takes, which is not what its resource stores: a Binding, an exec's options.
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/ref.ts';
import type { Resource } from '../../api/resource.ts';
import type { Call } from '../context.ts';
import type { Registry, WriteContext } from '../registry/registry.ts';
import type { RequestInfo } from '../request-info.ts';
import { isTrue } from '../request-info.ts';
import type { Operation } from './admission.ts';

/**
 * Runs all of admission; may change `object` in place. `result`: what those who validate see instead, made of it.
 * Throws StatusError.
 */
export async function admitCall(
  { registry, resource, context, key }: Pick<Call, 'registry' | 'resource' | 'context' | 'key'>,
  operation: Operation,
  object: object,
  old?: object,
  result?: () => object,
): Promise<void> {
  if (!registry) return;
  const { admission } = registry.options;
  const attributes = {
    ...registry.attributes(operation, context, key, object as Mutable<KubeObject>, old as KubeObject | undefined),
    resource,
  };
  const waiting = admission.mutate(attributes);
  if (waiting) await waiting;
  const settled = result ? { ...attributes, object: result() as Mutable<KubeObject> } : attributes;
  const checking = admission.validate(settled);
  if (checking) await checking;
}

export interface Connection {
  readonly registry: Registry;
  readonly resource: Resource;
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly context: WriteContext;
}

/** Subresources that are connections to something else. */
export const connecting: ReadonlySet<string> = new Set(['exec', 'attach', 'portforward', 'proxy']);

export function admitConnect({ registry, resource, info, query, context }: Connection): Promise<void> {
  const { namespace, name, subresource } = info;
  const options = {
    kind: resource.subresources.get(subresource)?.kind ?? '',
    apiVersion: apiVersionOf(resource),
    ...connectOptions(info, query),
  };
  const key = namespace && resource.namespaced ? { namespace, name } : { name };
  return admitCall({ registry, resource, context, key }, 'CONNECT', options);
}

function connectOptions({ subresource, rest }: RequestInfo, query: URLSearchParams): object {
  if (subresource === 'proxy') return { path: rest ? `/${rest}` : '/' };
  if (subresource === 'portforward') {
    const ports = query.getAll('ports').flatMap(p => p.split(',').map(Number));
    return ports.length ? { ports } : {};
  }
  // What attach shows unless told otherwise.
  const asked = (name: string, otherwise = false) => (query.has(name) ? isTrue(query.get(name)) : otherwise);
  const attach = subresource === 'attach';
  const command = query.getAll('command');
  const container = query.get('container');
  return {
    ...(asked('stdin') ? { stdin: true } : {}),
    ...(asked('stdout', attach) ? { stdout: true } : {}),
    ...(asked('stderr', attach) ? { stderr: true } : {}),
    ...(asked('tty') ? { tty: true } : {}),
    ...(container ? { container } : {}),
    ...(!attach && command.length ? { command } : {}),
  };
}
