import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, rbacV1 } from '../../api/refs.ts';
import { isForbidden } from '../../api/status.ts';
import type { Event } from '../../api/type/audit-v1.ts';
import { httpClient } from '../../client/http-client.ts';
import { startTestServer } from '../test-server.ts';

const apiGroup = 'rbac.authorization.k8s.io';
const to = (name: string) => [{ kind: 'User', name, apiGroup }];

test('a deputy may do as somebody what it was given, and no more; the event says by which right', async () => {
  const events: Event[] = [];
  const policy = { omitStages: ['RequestReceived'], rules: [{ level: 'Metadata' }] } as never;
  const sink = { write: (event: Event) => void events.push(event) as undefined };
  const api = await startTestServer({ tokenFile: 'secret,deputy,1', audit: { policy, sinks: [sink] } });
  const admin = await api.http();
  const grant = async (name: string, user: string, namespace: string, ...rules: object[]) => {
    const metadata = { name, ...(namespace ? { namespace } : {}) };
    const kind = namespace ? 'Role' : 'ClusterRole';
    const roles = namespace ? rbacV1.roles : rbacV1.clusterroles;
    const bindings = namespace ? rbacV1.rolebindings : rbacV1.clusterrolebindings;
    await admin.create(roles, { metadata, rules } as never);
    await admin.create(bindings, { metadata, roleRef: { apiGroup, kind, name }, subjects: to(user) } as never);
  };
  const as = (user: string) =>
    httpClient({ server: api.url, ca: api.ca, token: 'secret', userAgent: 'deputy', impersonate: { user } });
  const jane = as('jane');
  const joe = as('joe');
  try {
    await grant('jane', 'jane', '', { verbs: ['*'], apiGroups: [''], resources: ['pods'] });
    await grant('identity', 'deputy', '', {
      ...{ verbs: ['impersonate:user-info'], apiGroups: ['authentication.k8s.io'] },
      ...{ resources: ['users'], resourceNames: ['jane'] },
    });
    await grant('action', 'deputy', 'default', {
      ...{ verbs: ['impersonate-on:user-info:list'], apiGroups: [''], resources: ['pods'] },
    });
    const list = async (client: typeof jane, namespace: string) =>
      (await client.list(coreV1.pods, { namespace })).items.length;
    // The authorizer's copies follow.
    for (;;) {
      try {
        assert.equal(await list(jane, 'default'), 0);
        break;
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
    }
    const refused = (what: string) => (error: unknown) =>
      String(error).endsWith(` is forbidden: User "deputy" cannot ${what}`);
    const inSystem = 'resource "pods" in API group "" in the namespace "kube-system"';
    await assert.rejects(list(jane, 'kube-system'), refused(`impersonate-on:user-info:list ${inSystem}`));
    const identity = 'resource "users" in API group "authentication.k8s.io" at the cluster scope';
    await assert.rejects(list(joe, 'default'), refused(`impersonate:user-info ${identity}`));
    await assert.rejects(
      jane.delete(coreV1.pods, { namespace: 'default', name: 'x' }),
      refused('impersonate-on:user-info:delete resource "pods" in API group "" in the namespace "default"'),
    );
    const { impersonatedUser, user, authenticationMetadata } = events.find(
      e => e.impersonatedUser?.username === 'jane' && e.responseStatus?.code === 200,
    )!;
    assert.deepEqual([user.username, impersonatedUser?.username], ['deputy', 'jane']);
    assert.deepEqual(authenticationMetadata, { impersonationConstraint: 'impersonate:user-info' });
    await grant('old', 'deputy', '', { verbs: ['impersonate'], apiGroups: [''], resources: ['users'] });
    await grant('joe', 'joe', '', { verbs: ['list'], apiGroups: [''], resources: ['pods'] });
    for (;;) {
      try {
        await list(joe, 'kube-system');
        break;
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
    }
    const old = events.find(e => e.impersonatedUser?.username === 'joe' && e.responseStatus?.code === 200)!;
    assert.equal(old.authenticationMetadata, undefined);
  } finally {
    for (const client of [jane, joe]) client.close();
    await api.stop();
  }
});
