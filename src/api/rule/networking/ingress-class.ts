// The rules of IngressClasses.
import { type FieldErrors, path } from '../../field-error.ts';
import {
  IMMUTABLE,
  isDns1123Label,
  isDns1123Subdomain,
  isDomainPrefixedPath,
  isPathSegmentName,
} from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { IngressClass, IngressClassParametersReference } from '../../type/networking-v1.ts';

const CONTROLLER = path('spec.controller');
const PARAMETERS = path('spec.parameters');
const MAX_CONTROLLER = 250;

function validateParameters(ref: IngressClassParametersReference, errors: FieldErrors): void {
  const { apiGroup, kind, name, scope, namespace } = ref;
  if (apiGroup !== undefined)
    for (const m of isDns1123Subdomain(apiGroup)) errors.invalid(PARAMETERS.child('apiGroup'), apiGroup, m);
  for (const [field, value] of Object.entries({ kind, name })) {
    const at = PARAMETERS.child(field);
    if (!value) errors.required(at, `${field} is required`);
    else for (const m of isPathSegmentName(value)) errors.invalid(at, value, m);
  }
  if (scope === undefined) errors.required(PARAMETERS.child('scope'));
  else if (scope === 'Namespace') {
    const at = PARAMETERS.child('namespace');
    if (namespace === undefined) errors.required(at, "`parameters.scope` is set to 'Namespace'");
    else for (const m of isDns1123Label(namespace)) errors.invalid(at, namespace, m);
  } else if (scope === 'Cluster') {
    if (namespace !== undefined)
      errors.forbidden(PARAMETERS.child('namespace'), "`parameters.scope` is set to 'Cluster'");
  } else errors.notSupported(PARAMETERS.child('scope'), scope, ['Cluster', 'Namespace']);
}

export const ingressClassStrategy: Strategy<IngressClass> = {
  nameRule: 'dnsSubdomain',
  default({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
  },
  validate({ spec }, errors) {
    const controller = spec?.controller ?? '';
    if (controller.length > MAX_CONTROLLER) errors.tooLong(CONTROLLER, MAX_CONTROLLER);
    if (controller === '') errors.required(CONTROLLER);
    else for (const { value, why } of isDomainPrefixedPath(controller)) errors.invalid(CONTROLLER, value, why);
    if (spec?.parameters) validateParameters(spec.parameters, errors);
  },
  validateUpdate(now, old, errors) {
    if (now.spec?.controller !== old.spec?.controller) errors.invalid(CONTROLLER, now.spec?.controller, IMMUTABLE);
  },
};
