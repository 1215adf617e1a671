// The resources about who somebody is and what they may do: reviews and tokens, asked for and not kept.
import type { Draft } from '../api/meta.ts';
import { formatTime } from '../api/meta.ts';
import { methodNotSupported } from '../api/status.ts';
import type { TokenRequest } from '../api/type/authentication-v1.ts';
import type { Clock } from '../base/clock.ts';
import { admitCall } from './admission/admit-call.ts';
import type { Authentication } from './authn/authentication.ts';
import { reviewSelf, reviewToken } from './authn/reviews.ts';
import { issueServiceAccountToken } from './authn/token-request.ts';
import type { Authorizer, RuleResolver } from './authz/authorizer.ts';
import {
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from './authz/reviews.ts';
import { draftFrom, targetOf } from './body.ts';
import type { Call, CallHandler } from './context.ts';
import { checkNamespace } from './registry/metadata.ts';

const unvalidated = { fieldValidation: 'Ignore', warn() {} } as const;
const tokenRequest = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  typeName: 'io.k8s.api.authentication.v1.TokenRequest',
};

const created = (object: object) => ({ code: 201, object });
const bodyOf = async (call: Call, target = targetOf(call.resource)) =>
  draftFrom(target, undefined, (await call.body()).value, unvalidated) as Draft<never>;

/** By `group/resource`, or `/resource/subresource` of the core group. */
export function accessCalls(
  authentication: Authentication,
  authorizer: Authorizer & RuleResolver,
  clock: Clock,
): ReadonlyMap<string, CallHandler> {
  const calls: Record<string, (call: Call) => Promise<object> | object> = {
    'authorization.k8s.io/selfsubjectaccessreviews': async call =>
      reviewSelfSubjectAccess(await bodyOf(call), call.context.user, { authorizer }),
    'authorization.k8s.io/subjectaccessreviews': async call => reviewSubjectAccess(await bodyOf(call), { authorizer }),
    'authorization.k8s.io/localsubjectaccessreviews': async call =>
      reviewLocalSubjectAccess(await bodyOf(call), call.key.namespace ?? '', { authorizer }),
    'authorization.k8s.io/selfsubjectrulesreviews': async call =>
      reviewSelfSubjectRules(await bodyOf(call), call.context.user, { resolver: authorizer }),
    'authentication.k8s.io/tokenreviews': async call => reviewToken(await bodyOf(call), authentication),
    'authentication.k8s.io/selfsubjectreviews': async call =>
      reviewSelf(await bodyOf(call), call.context.user, formatTime(clock.now())),
    async '/serviceaccounts/token'(call) {
      if (call.verb !== 'create') throw methodNotSupported(call.resource, call.verb);
      await call.registry?.freshen();
      const account = { namespace: call.key.namespace ?? '', name: call.key.name };
      const request: Draft<TokenRequest> = await bodyOf(call, tokenRequest);
      checkNamespace(call, request);
      await admitCall(call, 'CREATE', request);
      return issueServiceAccountToken(authentication.issuer(), account, request, call.context.warn);
    },
  };
  return new Map(Object.entries(calls).map(([name, answer]) => [name, async call => created(await answer(call))]));
}
