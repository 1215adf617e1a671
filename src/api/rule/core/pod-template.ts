// The rules of PodTemplates.
import { path } from '../../field-error.ts';
import type { Strategy } from '../../strategy.ts';
import type { PodTemplate } from '../../type/core-v1.ts';
import { semanticEqual } from '../record.ts';
import { podTemplateDefaults } from './pod-default.ts';
import { dropTemplateFields } from './pod-gate.ts';
import { validatePodTemplateSpec } from './pod-spec.ts';
import { podTemplateWarnings } from './pod-warning.ts';

const TEMPLATE = path('template');

export const podTemplateStrategy: Strategy<PodTemplate> = {
  nameRule: 'dnsSubdomain',
  default(object) {
    object.template ??= {};
    podTemplateDefaults(object.template);
  },
  prepareForCreate(object, context) {
    dropTemplateFields(object.template, undefined, context.featureEnabled);
  },
  prepareForUpdate(object, old, context) {
    dropTemplateFields(object.template, old.template, context.featureEnabled);
  },
  validate(object, errors, context) {
    validatePodTemplateSpec(object.template ?? {}, TEMPLATE, errors, context);
  },
  warnings: (object, old) =>
    old && semanticEqual(old.template, object.template) ? [] : podTemplateWarnings(object.template ?? {}, TEMPLATE),
};
