// The access reviews: what the authorizer would say, as API objects. Pure, given the authorizer.
import { FieldErrors, path } from '../../api/field-error.ts';
import type { Draft } from '../../api/meta.ts';
import { badRequest, invalid } from '../../api/status.ts';
import type {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '../../api/type/authorization-v1.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Attributes, Authorizer, RuleResolver } from './authorizer.ts';
import { resolveSelectors, validateSelectors } from './selector-attributes.ts';

export interface AccessReviewDependencies {
  readonly authorizer: Authorizer;
}

interface Spec extends SubjectAccessReviewSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: NonResourceAttributes;
}

const apiVersion = 'authorization.k8s.io/v1';

/** kubectl auth can-i. Throws StatusError 422 for a spec that asks for nothing or for two things. */
export async function reviewSelfSubjectAccess(
  review: Draft<SelfSubjectAccessReview>,
  user: UserInfo | undefined,
  { authorizer }: AccessReviewDependencies,
): Promise<SelfSubjectAccessReview> {
  if (!user) throw badRequest('no user present on request');
  const spec = (review.spec ?? {}) as Spec;
  const errors = new FieldErrors();
  checkTarget(spec, errors);
  checkMetadata(review.metadata, errors);
  refuse(errors);
  const status = await decide(authorizer, user, spec);
  return { ...finished(review), kind: 'SelfSubjectAccessReview', apiVersion, status } as SelfSubjectAccessReview;
}

/** What somebody else may do; authorizing the question itself is the caller's business. */
export async function reviewSubjectAccess(
  review: Draft<SubjectAccessReview>,
  { authorizer }: AccessReviewDependencies,
): Promise<SubjectAccessReview> {
  const spec = (review.spec ?? {}) as Spec;
  const errors = new FieldErrors();
  checkTarget(spec, errors);
  checkSubject(spec, errors);
  checkMetadata(review.metadata, errors);
  refuse(errors);
  const status = await decide(authorizer, subjectOf(spec), spec);
  return { ...finished(review), kind: 'SubjectAccessReview', apiVersion, status } as SubjectAccessReview;
}

/** The same, confined to the namespace of the request. */
export async function reviewLocalSubjectAccess(
  review: Draft<LocalSubjectAccessReview>,
  namespace: string,
  { authorizer }: AccessReviewDependencies,
): Promise<LocalSubjectAccessReview> {
  const spec = (review.spec ?? {}) as Spec;
  const own = review.metadata?.namespace ?? '';
  const errors = new FieldErrors();
  checkTarget(spec, errors);
  checkSubject(spec, errors);
  checkMetadata({ ...review.metadata, namespace: undefined }, errors, 'must be empty except for namespace');
  const target = spec.resourceAttributes;
  const at = path('spec');
  if (target && (target.namespace ?? '') !== own)
    errors.invalid(
      at.child('resourceAttributes', 'namespace'),
      target.namespace ?? '',
      'must match metadata.namespace',
    );
  if (spec.nonResourceAttributes)
    errors.invalid(at.child('nonResourceAttributes'), spec.nonResourceAttributes, 'disallowed on this kind of request');
  refuse(errors);
  if (!namespace) throw badRequest(`namespace is required on this type: ${namespace}`);
  if (namespace !== own) throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
  const status = await decide(authorizer, subjectOf(spec), spec);
  return { ...finished(review), kind: 'LocalSubjectAccessReview', apiVersion, status } as LocalSubjectAccessReview;
}

/** kubectl auth can-i --list. */
export function reviewSelfSubjectRules(
  review: Draft<SelfSubjectRulesReview>,
  user: UserInfo | undefined,
  { resolver }: { readonly resolver: RuleResolver },
): SelfSubjectRulesReview {
  if (!user) throw badRequest('no user present on request');
  const namespace = review.spec?.namespace;
  if (!namespace) throw badRequest('no namespace on request');
  const { rules, incomplete, errors } = resolver.rulesFor(user, namespace);
  const status = {
    resourceRules: rules
      .filter(r => r.resources?.length)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        ...(apiGroups ? { apiGroups } : {}),
        resources,
        ...(resourceNames?.length ? { resourceNames } : {}),
      })),
    nonResourceRules: rules
      .filter(r => r.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete,
    ...(errors.length ? { evaluationError: errors.join(', ') } : {}),
  };
  return { ...finished(review), kind: 'SelfSubjectRulesReview', apiVersion, status } as SelfSubjectRulesReview;
}

function finished(review: { metadata?: object; spec?: object }) {
  return { metadata: review.metadata ?? {}, spec: review.spec ?? {} };
}

async function decide(authorizer: Authorizer, user: UserInfo, spec: Spec): Promise<SubjectAccessReviewStatus> {
  const { attributes, error: selectorError } = attributesOf(user, spec);
  const verdict = await authorizer.authorize(attributes);
  const error = [verdict.error, selectorError].filter(Boolean).join(', ');
  return {
    allowed: verdict.decision === 'allow',
    ...(verdict.decision === 'deny' ? { denied: true } : {}),
    ...(verdict.reason ? { reason: verdict.reason } : {}),
    ...(error ? { evaluationError: error } : {}),
  };
}

function attributesOf(user: UserInfo, spec: Spec): { attributes: Attributes; error?: string } {
  const none = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  const r = spec.resourceAttributes;
  if (!r) {
    const { verb = '', path = '' } = spec.nonResourceAttributes ?? {};
    return { attributes: { ...none, user, isResource: false, verb, path } };
  }
  const { verb = '', group = '', version = '', resource = '', subresource = '', namespace = '', name = '' } = r;
  const { errors, ...selectors } = resolveSelectors(r);
  return {
    attributes: {
      ...{ user, isResource: true, path: '', verb, group, version, resource, subresource, namespace, name },
      ...selectors,
    },
    error: errors.join(', '),
  };
}

function subjectOf(spec: Spec): UserInfo {
  return {
    name: spec.user ?? '',
    groups: spec.groups ?? [],
    ...(spec.uid ? { uid: spec.uid } : {}),
    ...(spec.extra ? { extra: spec.extra } : {}),
  };
}

function checkTarget(spec: Spec, errors: FieldErrors): void {
  const at = path('spec');
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes && nonResourceAttributes)
    errors.invalid(
      at.child('nonResourceAttributes'),
      nonResourceAttributes,
      'cannot be specified in combination with resourceAttributes',
    );
  if (!resourceAttributes && !nonResourceAttributes)
    errors.invalid(
      at.child('resourceAttributes'),
      undefined,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  if (resourceAttributes) validateSelectors(resourceAttributes, at.child('resourceAttributes'), errors);
}

function checkSubject(spec: Spec, errors: FieldErrors): void {
  if (!spec.user && !spec.groups?.length)
    errors.invalid(path('spec').child('user'), spec.user ?? '', 'at least one of user or group must be specified');
}

function checkMetadata(metadata: object | undefined, errors: FieldErrors, message = 'must be empty'): void {
  const { managedFields: _, ...rest } = (metadata ?? {}) as Record<string, unknown>;
  if (Object.values(rest).some(v => v !== undefined && v !== null && v !== ''))
    errors.invalid(path('metadata'), rest, message);
}

// The kind is empty, as Kubernetes writes it here.
function refuse(errors: FieldErrors): void {
  if (!errors.empty) throw invalid({ group: 'authorization.k8s.io', resource: '' }, '', errors.list);
}
