// What expressions of policies and match conditions may ask the authorizer.
import {
  type AskAuthorizer,
  type AuthorizerAnswer,
  type AuthorizerQuestion,
  authorizerValue,
  resourceCheckValue,
} from '../../api/cel/lib/authorizer.ts';
import { parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector } from '../../api/label-selector.ts';
import { messageOf } from '../../base/assert.ts';
import { serviceAccountUser } from '../authn/user.ts';
import type { Attributes, Authorizer, Verdict } from '../authz/authorizer.ts';
import type { AdmissionAttributes } from './admission.ts';

/** Ends an evaluation that needs an answer which is still on its way: evaluate again once it is there. */
class PendingAnswer extends Error {
  readonly arrived: Promise<void>;
  constructor(arrived: Promise<void>) {
    super('the authorizer has not answered yet');
    this.arrived = arrived;
  }
}

/**
 * Runs `evaluate`, again whenever the authorizer had to ask elsewhere; at once when it need not. Effects of a run that was
 * given up must not last.
 */
export function withAnswers<T>(evaluate: () => T): T | Promise<T> {
  try {
    return evaluate();
  } catch (error) {
    if (!(error instanceof PendingAnswer)) throw error;
    return error.arrived.then(() => withAnswers(evaluate));
  }
}

/** Answers that came late, by question: each is asked once a request. */
const known = new WeakMap<AdmissionAttributes, Map<string, AuthorizerAnswer>>();

/** Values of the variables `authorizer` and `authorizer.requestResource` for one request. For use inside withAnswers. */
export function authorizerBindings(authorizer: Authorizer, attributes: AdmissionAttributes) {
  const { resource, subresource, namespace, name, user } = attributes;
  const ask: AskAuthorizer = question => {
    let answer: Verdict | Promise<Verdict>;
    const late = known.get(attributes);
    const before = late?.get(JSON.stringify(question));
    if (before) return before;
    try {
      answer = authorizer.authorize(asAttributes(question));
    } catch (error) {
      return { allowed: false, reason: '', error: messageOf(error) };
    }
    if (!(answer instanceof Promise)) return told(answer);
    const answers = late ?? new Map<string, AuthorizerAnswer>();
    known.set(attributes, answers);
    throw new PendingAnswer(
      answer.then(verdict => {
        answers.set(JSON.stringify(question), told(verdict));
      }),
    );
  };
  const asAttributes = (q: AuthorizerQuestion): Attributes => ({
    user: q.serviceAccount ? serviceAccountUser(q.serviceAccount.namespace, q.serviceAccount.name) : user,
    verb: q.verb,
    isResource: q.path === undefined,
    group: q.group,
    version: '*',
    resource: q.resource,
    subresource: q.subresource,
    namespace: q.namespace,
    name: q.name,
    path: q.path ?? '',
    ...(q.labelSelector ? { labelSelector: parseLabelSelector(q.labelSelector) } : {}),
    ...(q.fieldSelector ? { fieldSelector: parseFieldSelector(q.fieldSelector) } : {}),
  });
  const { group, resource: plural } = resource;
  return {
    authorizer: authorizerValue(ask),
    'authorizer.requestResource': resourceCheckValue(ask, { group, resource: plural, subresource, namespace, name }),
  };
}

const told = ({ decision, reason, error = '' }: Verdict): AuthorizerAnswer => ({
  allowed: decision === 'allow',
  reason,
  error: decision === 'allow' ? '' : error,
});
