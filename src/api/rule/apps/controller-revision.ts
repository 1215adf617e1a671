// The rules of ControllerRevisions.
import { path } from '../../field-error.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ControllerRevision } from '../../type/apps-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { semanticEqual } from '../record.ts';

export const controllerRevisionStrategy: Strategy<ControllerRevision> = {
  nameRule: 'dnsSubdomain',
  validate(revision, errors) {
    if (revision.data === undefined || revision.data === null) errors.required(path('data'), 'data is mandatory');
    validateNonNegative(revision.revision, path('revision'), errors);
  },
  validateUpdate(now, old, errors) {
    if (!semanticEqual(now.data, old.data)) errors.invalid(path('data'), now.data, IMMUTABLE);
  },
};
