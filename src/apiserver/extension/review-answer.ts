// What a server elsewhere answers to a review it was posted: believed only when it is one of the kind and version asked.
import { faultIn } from '../../api/decode-fault.ts';
import { isPlain, textOf } from '../../api/patch/plain.ts';
import { builtinResources } from '../../api/resource.ts';
import { noTypeMeta } from '../body-format.ts';
import { groupVersionOf, notRegistered, unreadableKind } from '../body-kind.ts';

export interface ReviewKind {
  readonly group: 'authentication.k8s.io' | 'authorization.k8s.io' | 'imagepolicy.k8s.io';
  readonly version: 'v1' | 'v1beta1' | 'v1alpha1';
  readonly kind: 'SubjectAccessReview' | 'TokenReview' | 'ImageReview';
}

/** An answer that does not say what it is is what was asked for. Throws an error in Go's words. */
export function readReview<T>(answer: unknown, { group, version, kind }: ReviewKind): T {
  if (answer === null) return {} as T;
  if (!isPlain(answer)) throw new Error(noTypeMeta(answer));
  const unreadable = unreadableKind(answer);
  if (unreadable) throw new Error(unreadable);
  const given = textOf(answer.kind) || kind;
  const apiVersion = textOf(answer.apiVersion) || `${group}/${version}`;
  if (given !== kind || apiVersion !== `${group}/${version}`) {
    const of = groupVersionOf(apiVersion);
    if (!isKnown(apiVersion, given)) throw new Error(notRegistered(given, apiVersion));
    throw new Error(`converting (${of.version}.${given}) to (${version}.${kind}): unknown conversion`);
  }
  // Of v1beta1 nothing that is read differs.
  const described = version === 'v1beta1' ? 'v1' : version;
  const fault = faultIn(`io.k8s.api.${group.split('.', 1)}.${described}.${kind}`, answer);
  if (fault) throw new Error(fault);
  return answer as T;
}

const oldReviews = new Set(['authentication.k8s.io/v1beta1', 'authorization.k8s.io/v1beta1']);

const isKnown = (apiVersion: string, kind: string): boolean =>
  (kind === 'Status' && apiVersion === 'v1') ||
  (oldReviews.has(apiVersion) && kind.endsWith('Review')) ||
  builtinResources().byKind(apiVersion, kind) !== undefined;
