import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caller } from './test-caller.ts';
import { startTestServer } from './test-server.ts';

test('a token of the static file is its user and groups', async () => {
  const server = await startTestServer({ tokenFile: 'secret-1,jane,7,"devs,system:masters"\nsecret-2,joe,8\n' });
  const as = (token: string) => caller({ url: server.url, ca: server.ca, token });
  const [jane, joe, nobody] = [as('secret-1'), as('secret-2'), as('wrong')];
  try {
    const review = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { status } = await jane.expect(201, 'POST', path, review);
    assert.deepEqual(status.userInfo, {
      username: 'jane',
      uid: '7',
      groups: ['devs', 'system:masters', 'system:authenticated'],
    });
    await jane.expect(200, 'GET', '/api/v1/nodes');
    const refused = await joe.expect(403, 'GET', '/api/v1/nodes');
    assert.equal(
      refused.message,
      'nodes is forbidden: User "joe" cannot list resource "nodes" in API group "" at the cluster scope',
    );
    await nobody.expect(401, 'GET', '/api/v1/nodes');
  } finally {
    for (const c of [jane, joe, nobody]) c.close();
    await server.stop();
  }
});
