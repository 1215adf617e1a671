import { FieldErrors } from '../../api/field-error.ts';
import type { KubeObject } from '../../api/meta.ts';
import { nameComplaints, validateObjectMeta, validateObjectMetaUpdate } from '../../api/rule/meta.ts';
import { invalid } from '../../api/status.ts';
import { append } from '../../base/append.ts';
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
  const content = new FieldErrors();
  const nameRule = strategy.nameRule ?? 'dnsSubdomain';
  const ownRule = (name: string, prefix: boolean) => {
    const found = nameComplaints(nameRule, name, prefix);
    return found.length ? found : strategy.nameComplaints!(name, object);
  };
  const checkName = strategy.nameComplaints ? ownRule : nameRule;
  validateObjectMeta(object, resource.namespaced, checkName, content, finalizers);
  append(errors.list, content.list);
  const repeats = resource.custom !== undefined || resource.group === 'apiextensions.k8s.io';
  if (old) {
    const update = new FieldErrors();
    validateObjectMetaUpdate(object, old, update);
    append(errors.list, update.list);
    // The servers of custom resources look at metadata again for every step of an update.
    const again = content.list.filter(e => repeated.test(e.field ?? ''));
    if (repeats) append(errors.list, [...again, ...update.list, ...again]);
  }
  strategy.validate?.(object, errors, rule);
  if (old) strategy.validateUpdate?.(object, old, errors, rule);
  if (!errors.empty)
    throw invalid(
      { group: resource.group, resource: resource.kind },
      object.metadata.name ?? '',
      repeats ? errors.list : dedupe(errors.list),
    );
  for (const warning of strategy.warnings?.(object, old, rule) ?? []) context.warn(warning);
}

const repeated = /^metadata\.(labels|annotations|ownerReferences|managedFields)/;

const extending = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);

// Rules on update may find what the rules for the whole object found already.
function dedupe<T extends { field?: string; message: string }>(causes: readonly T[]): T[] {
  const seen = new Set<string>();
  return causes.filter(c => {
    const id = `${c.field}\0${c.message}`;
    return !seen.has(id) && seen.add(id);
  });
}
