import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isForbidden } from '../../api/status.ts';
import { Lru } from '../../client/lru.ts';
import type { UserInfo } from '../authn/user.ts';
import { type Attributes, type Authorizer, requireAllowed, unionAuthorizer, type Verdict } from './authorizer.ts';
import { type ImpersonationMode, impersonated } from './impersonation.ts';

const attributes: Attributes = {
  user: { name: 'u', groups: [] },
  verb: 'get',
  isResource: true,
  ...{ group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'ns', name: 'p', path: '' },
};

const verdict: fc.Arbitrary<Verdict> = fc.record(
  {
    decision: fc.constantFrom('allow', 'deny', 'noOpinion', 'noOpinion', 'noOpinion'),
    reason: fc.constantFrom('', 'a', 'b'),
    error: fc.constantFrom('x', 'y'),
  },
  { requiredKeys: ['decision', 'reason'] },
);

test('a union decides the same, whichever of its members answer later; at once when none does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(verdict, fc.boolean()), { maxLength: 5 }), async members => {
      const asked: number[][] = [[], []];
      const at = (run: number, late: (l: boolean) => boolean): Authorizer =>
        unionAuthorizer(
          members.map(([answer, l], i) => ({
            authorize() {
              asked[run]!.push(i);
              return late(l) ? Promise.resolve(answer) : answer;
            },
          })),
        );
      const now = at(0, () => false).authorize(attributes);
      assert.ok(!(now instanceof Promise));
      assert.deepEqual(await at(1, l => l).authorize(attributes), now);
      assert.deepEqual(asked[1], asked[0]);
    }),
  );
});

test('a refusal is 403, a failure to decide 500; late or at once', async () => {
  const of = (answer: Verdict | Promise<Verdict>) => ({ authorize: () => answer });
  const no: Verdict = { decision: 'noOpinion', reason: 'why' };
  assert.equal(requireAllowed(of({ decision: 'allow', reason: '' }), attributes), undefined);
  assert.throws(() => requireAllowed(of(no), attributes), isForbidden);
  await assert.rejects(requireAllowed(of(Promise.resolve(no)), attributes)!, isForbidden);
  const broken = Promise.resolve({ ...no, error: 'webhook is away' });
  await assert.rejects(requireAllowed(of(broken), attributes)!, /Internal error occurred: webhook is away/);
});

/** Allows what is listed as `verb group/resource[/subresource] namespace/name`. */
function granting(...rights: string[]): Authorizer & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async authorize(a) {
      const right = `${a.verb} ${a.group}/${a.resource}${a.subresource ? `/${a.subresource}` : ''} ${a.namespace}/${a.name}`;
      asked.push(right);
      return { decision: rights.includes(right) ? 'allow' : 'noOpinion', reason: '' };
    },
  };
}

async function become(
  given: Record<string, string | string[]>,
  authorizer: Authorizer,
  user: UserInfo = { name: 'u', groups: [] },
): Promise<[UserInfo, ImpersonationMode | '']> {
  let decided: ImpersonationMode | '' = '';
  const onDecided = (mode: ImpersonationMode | '') => {
    decided = mode;
  };
  const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, [value].flat()]));
  return [await impersonated({ headers, user, authorizer, action: () => attributes, onDecided }), decided];
}

test('impersonation takes the right to be somebody and to do this as somebody', async () => {
  const group = 'authentication.k8s.io';
  const both = granting('impersonate-on:user-info:get /pods ns/p', `impersonate:user-info ${group}/users /jane`);
  const jane = { 'impersonate-user': 'jane' };
  assert.deepEqual(await become(jane, both), [{ name: 'jane', groups: ['system:authenticated'] }, 'user-info']);
  await assert.rejects(become({ ...jane, 'impersonate-group': 'admins' }, both), isForbidden);
  await assert.rejects(become(jane, granting(`impersonate:user-info ${group}/users /jane`)), isForbidden);
  await assert.rejects(
    become(jane, granting('impersonate-on:user-info:get /pods ns/p')),
    /^StatusError: users.authentication.k8s.io "jane" is forbidden: User "u" cannot impersonate:user-info resource /,
  );
});

const distinct = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));

test('some are impersonated by the old right alone; what a user was allowed by last is tried first', async () => {
  const allowAll: Authorizer = { authorize: () => ({ decision: 'allow', reason: '' }) };
  const usual = new Lru<ImpersonationMode>(2);
  const modeOf = async (user: string, headers: Record<string, string>) => {
    let mode: string | undefined;
    const onDecided = (decided: string) => {
      mode = decided;
    };
    await impersonated({
      headers: distinct({ 'impersonate-user': 'jane', ...headers }),
      user: { name: user, groups: [] },
      ...{ authorizer: allowAll, action: () => attributes, usual, onDecided },
    });
    return mode;
  };
  assert.equal(await modeOf('a', { 'impersonate-extra-example.com%2fteam': 'x' }), 'user-info');
  assert.equal(await modeOf('a', { 'impersonate-user': 'system:serviceaccount:x' }), 'user-info');
  assert.equal(await modeOf('a', { 'impersonate-user': 'system:node:' }), 'user-info');
  assert.equal(await modeOf('a', { 'impersonate-user': 'system:serviceaccount:x:y' }), 'serviceaccount');
  assert.equal(await modeOf('b', { 'impersonate-group': 'system:masters' }), 'legacy');
  assert.equal(await modeOf('c', { 'impersonate-extra-team': 'x' }), 'legacy');
  assert.equal(await modeOf('c', {}), 'legacy');
  assert.equal(await modeOf('d', {}), 'user-info');
});

test('whom nobody names cannot be impersonated', () => {
  const refused = (headers: Record<string, string>) => () =>
    impersonated({
      headers: distinct(headers),
      user: { name: 'u', groups: [] },
      authorizer: granting(),
      action: () => attributes,
    });
  const said = (value: string) => ({
    message: `requested &user.DefaultInfo{${value}} without impersonating a user name`,
  });
  assert.throws(
    refused({ 'impersonate-group': 'g', 'impersonate-extra-a': 'b' }),
    said('Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string{"a":[]string{"b"}}'),
  );
  assert.throws(
    refused({ 'impersonate-uid': 'g' }),
    said('Name:"", UID:"g", Groups:[]string(nil), Extra:map[string][]string(nil)'),
  );
});

test('the right to impersonate at all still does, with every header', async () => {
  const group = 'authentication.k8s.io';
  const all = granting(
    'impersonate /users /jane',
    'impersonate /groups /a',
    'impersonate /groups /b',
    `impersonate ${group}/userextras/example.com/team /blue`,
    `impersonate ${group}/uids /7`,
  );
  const headers = {
    'impersonate-user': 'jane',
    'impersonate-group': ['a', 'b'],
    'impersonate-uid': '7',
    'impersonate-extra-example.com%2fteam': 'blue',
  };
  assert.deepEqual(await become(headers, all), [
    { name: 'jane', uid: '7', groups: ['a', 'b', 'system:authenticated'], extra: { 'example.com/team': ['blue'] } },
    'legacy',
  ]);
  assert.throws(() => impersonated({ headers: { 'impersonate-uid': ['7'] }, user: attributes.user, authorizer: all }));
  const own = await become(
    { 'impersonate-user': 'system:serviceaccount:ns:bob' },
    granting('impersonate /serviceaccounts ns/bob'),
  );
  assert.deepEqual(own[0].groups, ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated']);
});

test('nodes and service accounts have modes of their own', async () => {
  const group = 'authentication.k8s.io';
  const node = { 'impersonate-user': 'system:node:n1' };
  const agent = (on: string): UserInfo => ({
    name: 'system:serviceaccount:kube-system:agent',
    groups: [],
    extra: { 'authentication.kubernetes.io/node-name': [on] },
  });
  const associated = () =>
    granting('impersonate-on:associated-node:get /pods ns/p', `impersonate:associated-node ${group}/nodes /*`);
  assert.deepEqual(await become(node, associated(), agent('n1')), [
    { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] },
    'associated-node',
  ]);
  await assert.rejects(become(node, associated(), agent('n2')), isForbidden);
  await assert.rejects(become(node, associated(), { ...agent('n1'), name: 'u' }), isForbidden);
  const arbitrary = granting(
    'impersonate-on:arbitrary-node:get /pods ns/p',
    `impersonate:arbitrary-node ${group}/nodes /n1`,
  );
  assert.equal((await become(node, arbitrary))[1], 'arbitrary-node');
  await assert.rejects(become({ ...node, 'impersonate-group': 'x' }, arbitrary), isForbidden);
  const account = granting(
    'impersonate-on:serviceaccount:get /pods ns/p',
    `impersonate:serviceaccount ${group}/serviceaccounts a/b`,
  );
  assert.equal((await become({ 'impersonate-user': 'system:serviceaccount:a:b' }, account))[1], 'serviceaccount');
});
