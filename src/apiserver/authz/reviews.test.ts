import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusError } from '../../api/status.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import {
  reviewLocalSubjectAccess,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  reviewSubjectAccess,
} from './reviews.ts';

const ann: UserInfo = { name: 'ann', groups: ['g'] };

function world() {
  const asked: Attributes[] = [];
  const authorizer: Authorizer = {
    authorize(a) {
      asked.push(a);
      if (a.verb === 'get') return { decision: 'allow', reason: 'yes' };
      return a.verb === 'delete'
        ? { decision: 'deny', reason: 'never' }
        : { decision: 'noOpinion', reason: '', error: 'half' };
    },
  };
  return { asked, deps: { authorizer } };
}

const messageOf = async (run: () => unknown): Promise<string> => {
  try {
    await run();
  } catch (error) {
    return `${(error as StatusError).code} ${(error as Error).message}`;
  }
  return 'nothing thrown';
};

test('SelfSubjectAccessReview', async () => {
  const { asked, deps } = world();
  const resourceAttributes = { verb: 'get', resource: 'pods', namespace: 'ns', name: 'p', subresource: 'log' };
  const answer = await reviewSelfSubjectAccess({ spec: { resourceAttributes } }, ann, deps);
  assert.deepEqual(answer, {
    kind: 'SelfSubjectAccessReview',
    apiVersion: 'authorization.k8s.io/v1',
    metadata: {},
    spec: { resourceAttributes },
    status: { allowed: true, reason: 'yes' },
  });
  assert.deepEqual(asked[0], {
    ...{ user: ann, isResource: true, verb: 'get', group: '', version: '', resource: 'pods', subresource: 'log' },
    ...{ namespace: 'ns', name: 'p', path: '' },
  });
  const status = async (verb: string) =>
    (await reviewSelfSubjectAccess({ spec: { nonResourceAttributes: { verb, path: '/x' } } }, ann, deps)).status;
  assert.deepEqual(await status('delete'), { allowed: false, denied: true, reason: 'never' });
  assert.deepEqual(await status('post'), { allowed: false, evaluationError: 'half' });
  assert.deepEqual([asked[1]!.path, asked[1]!.isResource], ['/x', false]);
  assert.match(await messageOf(() => reviewSelfSubjectAccess({}, undefined, deps)), /^400 no user present on request/);
});

test('what a review must say', async () => {
  const { deps } = world();
  const self = (review: object) => messageOf(() => reviewSelfSubjectAccess(review, ann, deps));
  const prefix = '422 .authorization.k8s.io "" is invalid: ';
  assert.equal(
    await self({ spec: {} }),
    `${prefix}spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified`,
  );
  assert.match(
    await self({ spec: { resourceAttributes: {}, nonResourceAttributes: {} } }),
    /spec.nonResourceAttributes: Invalid value: .*: cannot be specified in combination with resourceAttributes$/,
  );
  assert.match(
    await self({ metadata: { name: 'x' }, spec: { resourceAttributes: {} } }),
    /metadata: Invalid value: .*: must be empty$/,
  );
  const selector = (fieldSelector: object) => self({ spec: { resourceAttributes: { fieldSelector } } });
  assert.match(
    await selector({}),
    /fieldSelector.requirements: Required value: when .* is specified, requirements or rawSelector is required/,
  );
  assert.match(
    await selector({ rawSelector: 'a=b', requirements: [{ key: 'a', operator: 'Exists' }] }),
    /may not specified at the same time/,
  );
  assert.match(
    await selector({ requirements: [{ key: 'a', operator: 'In' }] }),
    /requirements\[0\].values: Required value/,
  );
  assert.match(await selector({ requirements: [{ key: 'a', operator: '~' }] }), /not a valid selector operator/);
  assert.equal(
    await messageOf(() => reviewSubjectAccess({ spec: { resourceAttributes: {} } }, deps)),
    `${prefix}spec.user: Invalid value: "": at least one of user or group must be specified`,
  );
});

test('SubjectAccessReview asks for the named user, with selectors', async () => {
  const { asked, deps } = world();
  reviewSubjectAccess(
    {
      spec: {
        user: 'joe',
        groups: ['h'],
        uid: 'u',
        extra: { k: ['v'] },
        resourceAttributes: {
          verb: 'get',
          resource: 'pods',
          fieldSelector: { rawSelector: 'spec.nodeName=n1' },
          labelSelector: { requirements: [{ key: 'app', operator: 'In', values: ['web'] }] },
        },
      },
    },
    deps,
  );
  assert.deepEqual(asked[0]!.user, { name: 'joe', groups: ['h'], uid: 'u', extra: { k: ['v'] } });
  assert.equal(asked[0]!.fieldSelector!.requiredValue('spec.nodeName'), 'n1');
  assert.equal(asked[0]!.labelSelector!.requiredValue('app'), 'web');
  const odd = { key: 'a', operator: 'Exists' };
  const spec = { user: 'joe', resourceAttributes: { verb: 'get', fieldSelector: { requirements: [odd] } } };
  const { status } = await reviewSubjectAccess({ spec }, deps);
  assert.match(status.evaluationError!, /not supported/);
  assert.equal(asked[1]!.fieldSelector, undefined);
});

test('LocalSubjectAccessReview stays in its namespace', async () => {
  const { deps } = world();
  const review = (namespace: string | undefined, target: string, at: string, more: object = {}) =>
    reviewLocalSubjectAccess(
      {
        metadata: namespace ? { namespace } : {},
        spec: { user: 'joe', resourceAttributes: { verb: 'get', namespace: target }, ...more },
      },
      at,
      deps,
    );
  assert.equal((await review('a', 'a', 'a')).status.allowed, true);
  assert.match(
    await messageOf(() => review('a', 'b', 'a')),
    /spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace/,
  );
  assert.equal(
    await messageOf(() => review('b', 'b', 'a')),
    '400 spec.resourceAttributes.namespace must match namespace: a',
  );
  assert.match(
    await messageOf(() =>
      review('a', 'a', 'a', { resourceAttributes: undefined, nonResourceAttributes: { path: '/' } }),
    ),
    /disallowed on this kind of request/,
  );
});

test('SelfSubjectRulesReview', async () => {
  const rules = [
    { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] },
    { verbs: ['list'], apiGroups: ['apps'], resources: ['*'] },
    { verbs: ['get'], nonResourceURLs: ['/healthz'] },
  ];
  const resolver = { rulesFor: () => ({ rules, incomplete: true, errors: ['one', 'two'] }) };
  assert.deepEqual(reviewSelfSubjectRules({ spec: { namespace: 'ns' } }, ann, { resolver }).status, {
    resourceRules: rules.slice(0, 2),
    nonResourceRules: rules.slice(2),
    incomplete: true,
    evaluationError: 'one, two',
  });
  assert.equal(
    await messageOf(() => reviewSelfSubjectRules({ spec: {} }, ann, { resolver })),
    '400 no namespace on request',
  );
});
