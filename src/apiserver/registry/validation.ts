import { FieldErrors } from '../../api/field-error.ts';
import type { KubeObject } from '../../api/meta.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../api/rule/meta.ts';
import { invalid } from '../../api/status.ts';
import type { Registry, WriteContext } from './registry.ts';

/** Throws 422 with every cause; `old` is absent on create. */
export function validateObject(
  registry: Registry,
  object: KubeObject,
  old: KubeObject | undefined,
  context: WriteContext,
): void {
  const { strategy, resource } = registry;
  const looseAddresses = !registry.options.featureEnabled('StrictIPCIDRValidation');
  const errors = new FieldErrors({ looseAddresses });
  const rule = { ...registry.ruleContext(context.subresource), ...(old ? { old } : {}) };
  const finalizers = resource.custom || extending.has(resource.group) ? 'any' : 'kubernetes';
  validateObjectMeta(object, resource.namespaced, strategy.nameRule ?? 'dnsSubdomain', errors, finalizers);
  if (old) validateObjectMetaUpdate(object, old, errors);
  // Said twice by the servers of custom resources.
  if (old && resource.custom) validateObjectMetaUpdate(object, old, errors);
  strategy.validate?.(object, errors, rule);
  if (old) strategy.validateUpdate?.(object, old, errors, rule);
  const doubled = resource.custom || resource.group === 'apiextensions.k8s.io';
  if (!errors.empty)
    throw invalid(
      { group: resource.group, resource: resource.kind },
      object.metadata.name ?? '',
      doubled ? errors.list : dedupe(errors.list),
    );
  for (const warning of strategy.warnings?.(object, old, rule) ?? []) context.warn(warning);
}

const extending = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);

// Rules on update may find what the rules for the whole object found already.
function dedupe<T extends { field?: string; message: string }>(causes: readonly T[]): T[] {
  const seen = new Set<string>();
  return causes.filter(c => {
    const id = `${c.field}\0${c.message}`;
    return !seen.has(id) && seen.add(id);
  });
}
