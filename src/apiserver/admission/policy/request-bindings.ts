// What the expressions of policies see of a request.
import type { CelBindings } from '../../../api/cel/cel.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { ApiContext } from '../../context.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { authorizerBindings } from '../cel-authorizer.ts';
import { type Match, type MatchDeps, matcherOf } from '../match/match.ts';
import { asRequested, inVersionOf, isGenerated } from '../webhook/dispatcher.ts';
import { requestOf } from '../webhook/kernel/review.ts';

const everything = matcherOf({ rules: [], noRulesMatchAll: true });
const nowhere: MatchDeps = { namespace: () => undefined, resources: new Map() };

export const policyMatchDeps = (context: ApiContext): MatchDeps => ({
  namespace: name => context.registries.get('/namespaces')?.cache.latest(name)?.object,
  resources: context.resources,
});

/** Bindings of everything but `params` and `variables`, in the version of the match. */
export async function requestBindings(
  attributes: AdmissionAttributes,
  match: Match,
  context: ApiContext,
  mutating = false,
): Promise<CelBindings> {
  const { object, old } = attributes;
  return {
    object: object ? await inVersionOf(match, object as KubeObject, attributes) : null,
    oldObject: old ? await inVersionOf(match, old, attributes) : null,
    request: once(() => requestValue(attributes, match, mutating)),
    namespaceObject: () => namespaceOf(attributes, context),
    ...authorizerBindings(context.authorizer, attributes),
  };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function requestValue(attributes: AdmissionAttributes, match: Match, mutating: boolean): object {
  const requested = everything.match(asRequested(attributes), nowhere)!;
  // Who validates knows the name that was made.
  const name = mutating && isGenerated(attributes) ? '' : attributes.name;
  return requestOf({ uid: '', attributes, match, requested, object: undefined, old: undefined, name });
}

/** A Namespace counts as in itself. */
export const namespaceNameOf = ({ resource, namespace, name }: AdmissionAttributes): string =>
  resource.group === '' && resource.resource === 'namespaces' ? name : namespace;

/** Null for what is not in a namespace, and for Namespaces themselves. */
function namespaceOf({ resource, namespace }: AdmissionAttributes, context: ApiContext): object | null {
  if (!namespace || (resource.group === '' && resource.resource === 'namespaces')) return null;
  return context.registries.get('/namespaces')?.cache.latest(namespace)?.object ?? null;
}
