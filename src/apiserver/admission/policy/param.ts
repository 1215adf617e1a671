// The parameters a binding names.
import { selectorFromLabelSelector } from '../../../api/label-selector.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { apiVersionOf } from '../../../api/ref.ts';
import { type Resource, resourceId } from '../../../api/resource.ts';
import type { ParamKind, ParamRef } from '../../../api/type/admissionregistration-v1.ts';
import type { ApiContext } from '../../context.ts';
import type { Registry } from '../../registry/registry.ts';

/** Null where the policy is to be evaluated without. Throws Error: the binding cannot be used. */
export function paramsOf(
  kind: ParamKind | undefined,
  ref: ParamRef | undefined,
  requestNamespace: string,
  context: ApiContext,
): readonly (KubeObject | null)[] {
  if (!kind || !ref) return [null];
  const found = resourceOfKind(kind, context);
  if (!found) throw new Error(`paramKind kind \`${kindText(kind)}\` not known`);
  const { resource, registry } = found;
  const params = select(ref, resource, registry, namespaceOf(ref, resource, requestNamespace));
  if (params.length === 0 && ref.parameterNotFoundAction === 'Deny')
    throw new Error('no params found for policy binding with `Deny` parameterNotFoundAction');
  return params;
}

/** Throws where nothing of the kind is served: the policy cannot be used. */
export function checkParamKind(kind: ParamKind | undefined, context: ApiContext): void {
  if (kind && !resourceOfKind(kind, context))
    throw new Error(`failed to find resource referenced by paramKind: '${kindText(kind)}'`);
}

const kindText = ({ apiVersion, kind }: ParamKind): string => `${apiVersion}, Kind=${kind}`;

function resourceOfKind({ apiVersion, kind }: ParamKind, context: ApiContext) {
  for (const resource of context.resources.values()) {
    if (resource.kind !== kind || apiVersionOf(resource) !== apiVersion) continue;
    const id = resource.custom ? resourceId(resource) : `${resource.group}/${resource.resource}`;
    const registry = context.registries.get(id);
    if (registry) return { resource, registry };
  }
  return undefined;
}

function namespaceOf(ref: ParamRef, resource: Resource, requestNamespace: string): string {
  if (!resource.namespaced) {
    if (ref.namespace) throw new Error('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
    return '';
  }
  const namespace = ref.namespace || requestNamespace;
  if (!namespace)
    throw new Error('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
  return namespace;
}

function select(ref: ParamRef, resource: Resource, registry: Registry, namespace: string): KubeObject[] {
  if (ref.name) {
    const stored = registry.cache.get(registry.keyOf({ namespace, name: ref.name }));
    return stored ? [registry.show(stored).object] : [];
  }
  if (!ref.selector) throw new Error('one of name or selector must be provided');
  const selector = selectorFromLabelSelector(ref.selector);
  const out: KubeObject[] = [];
  registry.cache.snapshot().scan(resource.namespaced ? `${namespace}/` : '', undefined, stored => {
    if (selector.matches(stored.object.metadata.labels)) out.push(registry.show(stored).object);
    return true;
  });
  return out;
}
