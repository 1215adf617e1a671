// Heads of requests as they should not be, or only seldom are: recorded from k8s.io/apiextensions-apiserver 1.36.2 and
// Go's server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2';
import { test } from 'node:test';
import { fileServer } from './test-file-server.ts';
import { sendRaw } from './test-raw.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const on = fileServer();

/** All that comes back until the server ends the connection. */
const exchange = (head: string, ...lines: string[]): Promise<string> =>
  sendRaw(on.server, [head, 'Connection: close', ...lines, '', ''].join('\r\n'));

async function overHttp2(headers: OutgoingHttpHeaders): Promise<number> {
  const { ca, admin, url } = on.server;
  const options = { ca, cert: admin.certificatePem, key: admin.keyPem, maxSendHeaderBlockLength: 1 << 20 };
  const session = connectHttp2(url, options);
  const stream = session.request({ ':path': maps, ...headers });
  const [head] = await once(stream, 'response');
  session.destroy();
  return head[':status'];
}

test('users in thousands of groups', async () => {
  const groups = Array.from({ length: 3000 }, (_, i) => `group-${i}`);
  const as = (all: readonly string[]) => all.map(group => `Impersonate-Group: ${group}`);
  const ask = (all: readonly string[]) =>
    exchange(`GET ${maps} HTTP/1.1`, 'Host: x', 'Impersonate-User: eve', ...as(all));
  assert.match(await ask(groups), /^HTTP\/1\.1 403 /);
  assert.match(await ask([...groups, 'system:masters']), /^HTTP\/1\.1 200 /);
  const headers = { 'impersonate-user': 'eve' };
  assert.equal(await overHttp2({ ...headers, 'impersonate-group': groups }), 403);
  assert.equal(await overHttp2({ ...headers, 'impersonate-group': [...groups, 'system:masters'] }), 200);
});

test('who says of which host', async () => {
  const refusal = (why: string) =>
    new RegExp(`^HTTP/1\\.1 400 Bad Request${why}\r\nContent-Type: text/plain; .*\r\n\r\n400 Bad Request${why}$`, 's');
  const get = `GET ${maps}`;
  assert.match(await exchange(`${get} HTTP/1.1`), refusal(': missing required Host header'));
  assert.match(await exchange(`${get} HTTP/1.1`, 'Host: a', 'host: b'), refusal(''));
  for (const host of ['a b', '<x>', 'ü', 'a/b'])
    assert.match(await exchange(`${get} HTTP/1.1`, `Host: ${host}`), refusal(': malformed Host header'), host);
  for (const host of ['', 'a:80', '[::1]:6443', 'a_b'])
    assert.match(await exchange(`${get} HTTP/1.1`, `Host: ${host}`), /^HTTP\/1\.1 200 /, host);
  assert.match(await exchange(`${get} HTTP/1.0`), /^HTTP\/1\.1 200 /);
});

test('other versions of HTTP', async () => {
  for (const version of ['2.0', '0.9']) {
    const told = await exchange(`GET ${maps} HTTP/${version}`, 'Host: x');
    const status = '505 HTTP Version Not Supported: unsupported protocol version';
    assert.ok(told.startsWith(`HTTP/1.1 ${status}\r\n`) && told.endsWith(`\r\n\r\n${status}`), told);
  }
});

test('CONNECT is a method that nothing has', async () => {
  const told = await exchange(`CONNECT ${maps}/one HTTP/1.1`, 'Host: x');
  assert.match(told, /^HTTP\/1\.1 405 Method Not Allowed\r\n.*"reason":"MethodNotAllowed"/s);
  assert.match(await exchange('CONNECT a:443 HTTP/1.1', 'Host: a:443'), /^HTTP\/1\.1 (400|404) /);
});

test('HTTP/1.0 is not told to go on', async () => {
  const body = JSON.stringify({ metadata: { name: 'old' } });
  const told = await exchange(
    `POST ${maps} HTTP/1.0`,
    ...['Content-Type: application/json', 'Expect: 100-continue', `Content-Length: ${body.length}`, '', body],
  );
  assert.match(told, /^HTTP\/1\.1 201 /);
});
