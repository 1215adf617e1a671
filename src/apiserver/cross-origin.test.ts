// Answers to pages of other origins, as k8s.io/apiserver's own server gives them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { crossOrigin } from './cross-origin.ts';
import { ask } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer({ corsAllowedOrigins: ['//a\\.example\\.com(:|$)', '^https://b$'] });
});
after(() => server.stop());

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const allowed = {
  'access-control-allow-credentials': 'true',
  'access-control-allow-headers':
    'Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since',
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE, PATCH',
  'access-control-expose-headers': 'Date',
};

async function told(method: string, path: string, origin?: string) {
  const { code, headers } = await ask(server, path, { method, headers: origin ? { origin } : {} });
  const [cross, rest] = [/^access-control-/, /^(audit-id|cache-control)$/].map(names =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => names.test(name))),
  );
  assert.match(String(rest!['audit-id']), /^[-0-9a-f]{36}$/);
  assert.equal(rest!['cache-control'], 'no-cache, private');
  return [code, cross];
}

test('pages of allowed origins may ask, and are told so whatever the answer is', async () => {
  for (const origin of ['https://a.example.com', 'http://a.example.com:8443', 'https://b']) {
    const cross = { 'access-control-allow-origin': origin, ...allowed };
    assert.deepEqual(await told('GET', definitions, origin), [200, cross]);
    assert.deepEqual(await told('GET', `${definitions}/none`, origin), [404, cross]);
    for (const path of [definitions, '/nope']) assert.deepEqual(await told('OPTIONS', path, origin), [204, cross]);
  }
  for (const origin of ['https://evil.com', 'https://a.example.com.evil.com', undefined]) {
    assert.deepEqual(await told('GET', definitions, origin), [200, {}]);
    assert.deepEqual(await told('OPTIONS', definitions, origin), [405, {}]);
  }
});

test('expressions that match in the middle of a host, or are none, are refused', () => {
  const wrong = '--cors-allowed-origins has an invalid regular expression: ';
  const loose = `${wrong}regular expression does not pin to start/end of host in the origin header, help: List of `;
  for (const text of ['a', '^a', 'a$', 'b:', '//a', '//a\\.b'])
    assert.throws(
      () => crossOrigin([text]),
      (error: Error) => error.message.startsWith(loose),
      text,
    );
  assert.throws(
    () => crossOrigin(['^a:(b']),
    (error: Error) => error.message.startsWith(`${wrong}error parsing regexp: missing closing ): \`^a:(b\`, help: `),
  );
  for (const text of ['^a:', '//a:8', 'a//b$', '^a(:|$)', '(^a)$', 'https?://a\\.b(:|$)']) crossOrigin([text]);
});
