// Requests, limits, claims and resize policies.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '../../name-rule.ts';
import type { ContainerResizePolicy, PodResourceClaim, PodSpec, ResourceRequirements } from '../../type/core-v1.ts';
import { isPodLevelResource, validatePodLevelConsistency } from './pod-level-resource.ts';
import {
  amount,
  isHugePages,
  isOvercommitAllowed,
  validateContainerResourceName,
  validateResourceAmount,
} from './resource-name.ts';

type NameCheck = (name: string, at: FieldPath, errors: FieldErrors) => void;

export function validateResources(
  resources: ResourceRequirements | undefined,
  claims: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
  checkName: NameCheck = validateContainerResourceName,
): void {
  if (!resources) return;
  const { limits, requests } = resources;
  let hugePages = false;
  let cpuOrMemory = false;
  for (const list of [limits, requests]) {
    for (const name in list) {
      const here = at.child(list === limits ? 'limits' : 'requests').key(name);
      checkName(name, here, errors);
      validateResourceAmount(name, list[name]!, here, errors);
      if (name === 'cpu' || name === 'memory') cpuOrMemory = true;
      else if (isHugePages(name)) {
        hugePages = true;
        validateHugePages(name, list[name]!, here, errors);
      }
    }
  }
  for (const name in requests) validateRequest(name, requests[name]!, limits?.[name], at, errors);
  if (hugePages && !cpuOrMemory) errors.forbidden(at, 'HugePages require cpu or memory');
  if (resources.claims?.length) validateClaims(resources.claims, claims, at.child('claims'), errors);
}

function validateRequest(
  name: string,
  request: string,
  limit: string | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (request === limit) return;
  const overcommit = isOvercommitAllowed(name);
  if (limit === undefined) {
    if (!overcommit) errors.required(at.child('limits'), 'Limit must be set for non overcommitable resources');
    return;
  }
  const difference = amount(request).compare(amount(limit));
  if (difference !== 0 && !overcommit)
    errors.invalid(at.child('requests'), request, `must be equal to ${name} limit of ${limit}`);
  else if (difference > 0)
    errors.invalid(at.child('requests'), request, `must be less than or equal to ${name} limit of ${limit}`);
}

function validateHugePages(name: string, text: string, at: FieldPath, errors: FieldErrors): void {
  const size = amount(name.slice('hugepages-'.length)).value();
  if (!(size > 0) || amount(text).value() % size !== 0)
    errors.invalid(at, text, `${text} is not positive integer multiple of ${name}`);
}

function validateClaims(
  list: NonNullable<ResourceRequirements['claims']>,
  known: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [i, { name, request }] of list.entries()) {
    const here = at.index(i);
    if (!name) {
      errors.required(here);
      continue;
    }
    const id = request ? `${name}/${request}` : name;
    if (seen.has(id)) errors.duplicate(here, id);
    seen.add(id);
    if (known.has(name)) continue;
    const names = known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`;
    errors.add(
      'FieldValueNotFound',
      here.child('name'),
      `Not found: ${JSON.stringify(name)}: must be one of the names in pod.spec.resourceClaims${names}`,
    );
  }
}

/** Claims of the pod, whose name is '' in a template; returns the names containers may use. */
export function validatePodClaims(
  claims: readonly PodResourceClaim[] | undefined,
  podName: string,
  at: FieldPath,
  errors: FieldErrors,
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [i, claim] of (claims ?? []).entries()) {
    const here = at.index(i);
    if (!claim.name) errors.required(here.child('name'));
    else {
      if (names.has(claim.name)) errors.duplicate(here.child('name'), claim.name);
      names.add(claim.name);
      const complaints = isDns1123Label(claim.name);
      for (const m of complaints) errors.invalid(here.child('name'), claim.name, m);
      if (complaints.length === 0 && podName && claim.resourceClaimTemplateName !== undefined) {
        const made = `${podName}-${claim.name}`;
        for (const m of isDns1123Subdomain(made))
          errors.invalid(here.child('name'), made, `final ResourceClaim name: ${m}`);
      }
    }
    const { resourceClaimName, resourceClaimTemplateName } = claim;
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined)
      errors.invalid(here, claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified');
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined)
      errors.invalid(here, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    for (const key of ['resourceClaimName', 'resourceClaimTemplateName'] as const) {
      const value = claim[key];
      if (value !== undefined) for (const m of isDns1123Subdomain(value)) errors.invalid(here.child(key), value, m);
    }
  }
  return names;
}

const POD_RESOURCES = ['cpu', 'hugepages-', 'memory'];

/** spec.resources. */
export function validatePodResources(
  spec: PodSpec,
  claims: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const resources = spec.resources;
  if (!resources) return;
  if (spec.os?.name === 'windows') errors.forbidden(at, 'may not be set for a windows pod');
  if (resources.claims?.length)
    errors.forbidden(at.child('claims'), 'claims may not be set for Resources at pod-level');
  const before = errors.list.length;
  validateResources({ ...resources, claims: undefined } as ResourceRequirements, claims, at, errors, (name, here) => {
    if (!isPodLevelResource(name)) errors.notSupported(here, name, POD_RESOURCES);
  });
  if (errors.list.length === before) validatePodLevelConsistency(spec, at, errors);
}

const RESIZE_POLICIES = ['NotRequired', 'RestartContainer'];

export function validateResizePolicy(
  policies: readonly ContainerResizePolicy[] | undefined,
  restartPolicy: string | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!policies) return;
  const seen = new Set<string>();
  for (const [i, policy] of policies.entries()) {
    if (seen.has(policy.resourceName)) errors.duplicate(at.index(i), policy.resourceName);
    seen.add(policy.resourceName);
    if (!policy.resourceName) errors.required(at);
    else if (policy.resourceName !== 'cpu' && policy.resourceName !== 'memory')
      errors.notSupported(at, policy.resourceName, ['cpu', 'memory']);
    if (!policy.restartPolicy) errors.required(at);
    else if (!RESIZE_POLICIES.includes(policy.restartPolicy))
      errors.notSupported(at, policy.restartPolicy, RESIZE_POLICIES);
    if (restartPolicy === 'Never' && policy.restartPolicy !== 'NotRequired')
      errors.invalid(at, policy.restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
  }
}
