// The rules of RuntimeClasses.
import { path } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Label } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { RuntimeClass } from '../../type/node-v1.ts';
import { deprecatedLabel } from '../core/label-warning.ts';
import { validateTolerations } from '../core/pod-scheduling.ts';
import { validateContainerResourceName, validateResourceAmount } from '../core/resource-name.ts';
import { validateLabels } from '../meta.ts';

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
    const known = new Set<string>();
    for (const [i, toleration] of tolerations.entries()) {
      const { key, operator, value, effect, tolerationSeconds } = toleration;
      const text = JSON.stringify([key, operator, value, effect, tolerationSeconds]);
      if (known.has(text)) errors.duplicate(SCHEDULING.child('tolerations').index(i), toleration);
      known.add(text);
    }
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
