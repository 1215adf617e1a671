// The rules of APIServices.
import { type FieldErrors, path } from '../../field-error.ts';
import { formatTime } from '../../meta.ts';
import { isDns1035Label, isDns1123Subdomain, isValidPortNumber } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { APIService } from '../../type/apiregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';

const SPEC = path('spec');
const MAX_GROUP_PRIORITY = 20_000;
const MAX_VERSION_PRIORITY = 1000;

export const apiServiceStrategy: Strategy<APIService> = {
  nameRule: 'pathSegment',
  nameComplaints(name, { spec }) {
    const own = nameOf(spec);
    return name === own ? [] : [`must be \`spec.version+"."+spec.group\`: ${JSON.stringify(own)}`];
  },
  allowUnconditionalUpdate: false,
  statusKeeps: 'metadata',
  default({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareForCreate(object, { nowMs }) {
    object.status = {};
    if (object.spec?.service) return;
    const condition = {
      type: 'Available',
      status: 'True',
      lastTransitionTime: formatTime(nowMs),
      reason: 'Local',
      message: 'Local APIServices are always available',
    };
    object.status.conditions = [condition];
  },
  validate({ spec, status }, errors, { subresource }) {
    const { group = '', version = '' } = spec ?? {};
    if (group === '' && version !== 'v1')
      errors.required(SPEC.child('group'), 'only v1 may have an empty group and it better be legacy kube');
    if (group !== '') for (const m of isDns1123Subdomain(group)) errors.invalid(SPEC.child('group'), group, m);
    for (const m of isDns1035Label(version)) errors.invalid(SPEC.child('version'), version, m);
    validatePriorities(spec, errors);
    validateService(spec, errors);
    if (subresource !== 'status') return;
    for (const [i, condition] of (status?.conditions ?? []).entries())
      validateOneOf(
        condition.status,
        ['True', 'False', 'Unknown'],
        path('status').child('conditions').index(i).child('status'),
        errors,
      );
  },
};

const nameOf = (spec: APIService['spec'] | undefined) => `${spec?.version ?? ''}.${spec?.group ?? ''}`;

function validatePriorities(spec: APIService['spec'] | undefined, errors: FieldErrors): void {
  const { groupPriorityMinimum: group = 0, versionPriority: version = 0 } = spec ?? {};
  if (group <= 0 || group > MAX_GROUP_PRIORITY)
    errors.invalid(SPEC.child('groupPriorityMinimum'), group, 'must be positive and less than 20000');
  if (version <= 0 || version > MAX_VERSION_PRIORITY)
    errors.invalid(SPEC.child('versionPriority'), version, 'must be positive and less than 1000');
}

function validateService(spec: APIService['spec'] | undefined, errors: FieldErrors): void {
  const { service, caBundle, insecureSkipTLSVerify } = spec ?? {};
  const insecure = SPEC.child('insecureSkipTLSVerify');
  if (!service) {
    if (caBundle)
      errors.invalid(
        SPEC.child('caBundle'),
        `${Buffer.from(caBundle, 'base64').length} bytes`,
        'local APIServices may not have a caBundle',
      );
    if (insecureSkipTLSVerify) errors.invalid(insecure, true, 'local APIServices may not have insecureSkipTLSVerify');
    return;
  }
  const at = SPEC.child('service');
  if (!service.namespace) errors.required(at.child('namespace'));
  if (!service.name) errors.required(at.child('name'));
  for (const m of isValidPortNumber(service.port ?? 443))
    errors.invalid(at.child('port'), service.port, `port is not valid: ${m}`);
  if (insecureSkipTLSVerify && caBundle) errors.invalid(insecure, true, 'may not be true if caBundle is present');
}
