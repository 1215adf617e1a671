// The rules of RuntimeClasses.
import { path } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Label } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { RuntimeClass } from '../../type/node-v1.ts';
import { deprecatedLabel } from '../core/label-warning.ts';
import { validateTolerations } from '../core/pod-scheduling.ts';
import { validateContainerResourceName, validateResourceAmount } from '../core/resource-name.ts';
import { validateLabels } from '../meta.ts';
import { semanticEqual } from '../record.ts';

const HANDLER = path('handler');
const POD_FIXED = path('overhead.podFixed');
const SCHEDULING = path('scheduling');

export const runtimeClassStrategy: Strategy<RuntimeClass> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  validate({ handler, overhead, scheduling }, errors, context) {
    for (const m of isDns1123Label(handler)) errors.invalid(HANDLER, handler, m);
    const fixed = overhead?.podFixed ?? {};
    for (const name in fixed) {
      validateContainerResourceName(name, POD_FIXED.key(name), errors);
      validateResourceAmount(name, fixed[name]!, POD_FIXED.key(name), errors);
    }
    if (scheduling?.nodeSelector) validateLabels(scheduling.nodeSelector, SCHEDULING.child('nodeSelector'), errors);
    const tolerations = scheduling?.tolerations ?? [];
    validateTolerations(
      tolerations,
      context.featureEnabled('TaintTolerationComparisonOperators'),
      SCHEDULING.child('tolerations'),
      errors,
    );
    for (const [i, toleration] of tolerations.entries())
      if (tolerations.slice(0, i).some(t => semanticEqual(t, toleration)))
        errors.duplicate(SCHEDULING.child('tolerations').index(i), toleration);
  },
  validateUpdate(now, old, errors) {
    if (now.handler !== old.handler) errors.invalid(HANDLER, now.handler, IMMUTABLE);
  },
  warnings: ({ scheduling }) =>
    Object.keys(scheduling?.nodeSelector ?? {}).flatMap(label => {
      const text = deprecatedLabel(label);
      return text ? [`${SCHEDULING.child('nodeSelector').key(label)}: ${text}`] : [];
    }),
};
