import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { type CertificateAndKey, createCa, issueCertificate } from '../../base/x509.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { frontProxyAuthenticator } from './front-proxy.ts';
import type { PeerCertificate, UserInfo } from './user.ts';

let api: TestServer;
let proxy: CertificateAndKey;

before(async () => {
  const certificates = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'front-proxy-ca', ...certificates });
  const subject = { commonName: 'front-proxy-client', organizations: [] };
  proxy = await issueCertificate(ca, { subject, usages: 'client', ...certificates });
  api = await startTestServer({ frontProxyCa: ca.certificatePem });
});
after(() => api.stop());

const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const body = JSON.stringify({ kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' });
const groups = ['CN=ops, OU=hq', 'dev'];
const headers = {
  'content-type': 'application/json',
  'x-remote-user': 'ann',
  'x-remote-group': groups,
  'x-remote-extra-example.com%2fteam': ['a, b', 'c'],
};
const expected = {
  username: 'ann',
  groups: [...groups, 'system:authenticated'],
  extra: { 'example.com/team': ['a, b', 'c'] },
};

test('each line of a header of a front proxy is a group, commas and all', async () => {
  const tls = { ca: api.ca, cert: proxy.certificatePem, key: proxy.keyPem };
  const old = request(`${api.url}${path}`, { ...tls, method: 'POST', headers, agent: false });
  old.end(body);
  const [response] = await once(old, 'response');
  assert.deepEqual(JSON.parse(await text(response)).status.userInfo, expected);
  const session = connect(api.url, tls);
  try {
    const stream = session.request({ ...headers, ':method': 'POST', ':path': path });
    stream.end(body);
    assert.deepEqual(JSON.parse(await text(stream)).status.userInfo, expected);
  } finally {
    session.close();
  }
});

test('what is known besides may be named as every object knows it', () => {
  const user = frontProxyAuthenticator().authenticate({
    headers: Object.assign(Object.create(null), {
      'x-remote-user': ['ann'],
      'x-remote-extra-constructor': ['a'],
      'x-remote-extra-__proto__': ['b'],
    }),
    peerCertificate: { authority: 'frontProxy', commonName: 'proxy' } as PeerCertificate,
  }) as UserInfo;
  assert.deepEqual(Object.entries(user.extra!), [
    ['constructor', ['a']],
    ['__proto__', ['b']],
  ]);
});
