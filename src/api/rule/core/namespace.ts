// The rules of Namespaces.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isQualifiedName } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Namespace } from '../../type/core-v1.ts';
import { STANDARD_FINALIZERS } from '../meta.ts';
import { sortedRecord } from '../record.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';
const FINALIZERS = path('spec.finalizers');
// The path has always been spelled like this.
const PHASE = path('status.Phase');

/** Every namespace can be selected by its name. A generated name is not known yet: see prepareForCreate. */
function nameLabel(namespace: Mutable<Namespace>): void {
  const { metadata } = namespace as { metadata: { name?: string; labels?: Record<string, string> } };
  if (!metadata.name || metadata.labels?.[NAME_LABEL] === metadata.name) return;
  metadata.labels = sortedRecord({ ...metadata.labels, [NAME_LABEL]: metadata.name });
}

function prepareForCreate(namespace: Mutable<Namespace>): void {
  const finalizers = namespace.spec?.finalizers ?? [];
  namespace.spec = { finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] };
  namespace.status = { phase: 'Active' };
  nameLabel(namespace);
}

function prepareForUpdate(namespace: Mutable<Namespace>, old: Namespace, context: RuleContext): void {
  if (context.subresource === 'finalize') namespace.status = old.status as Mutable<Namespace>['status'];
  else namespace.spec = old.spec as Mutable<Namespace>['spec'];
  nameLabel(namespace);
}

function validateUpdate(namespace: Namespace, _old: Namespace, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'finalize') {
    for (const [i, finalizer] of (namespace.spec?.finalizers ?? []).entries())
      validateFinalizer(finalizer, FINALIZERS.index(i), errors);
  } else if (context.subresource === 'status') validatePhase(namespace, errors);
}

function validateFinalizer(finalizer: string, at: ReturnType<typeof path>, errors: FieldErrors): void {
  for (const m of isQualifiedName(finalizer)) errors.invalid(at, finalizer, m);
  if (!finalizer.includes('/') && !STANDARD_FINALIZERS.has(finalizer))
    errors.invalid(at, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
}

function validatePhase(namespace: Namespace, errors: FieldErrors): void {
  const phase = namespace.status?.phase;
  const deleting = namespace.metadata.deletionTimestamp !== undefined;
  if (!deleting && phase !== 'Active')
    errors.invalid(PHASE, phase ?? '', "may only be 'Active' if `deletionTimestamp` is empty");
  if (deleting && phase !== 'Terminating')
    errors.invalid(PHASE, phase ?? '', "may only be 'Terminating' if `deletionTimestamp` is not empty");
}

export const namespaceStrategy: Strategy<Namespace> = {
  nameRule: 'dnsLabel',
  default(namespace) {
    nameLabel(namespace);
    namespace.status = { ...namespace.status, phase: namespace.status?.phase || 'Active' };
  },
  prepareForCreate,
  prepareForUpdate,
  validate(namespace, errors, context) {
    if (context.subresource !== '') return;
    for (const finalizer of namespace.spec?.finalizers ?? []) validateFinalizer(finalizer, FINALIZERS, errors);
  },
  validateUpdate,
  holdsDeletion: namespace => (namespace.spec?.finalizers?.length ?? 0) > 0,
  markDeleted(namespace) {
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
};
