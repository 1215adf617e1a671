// Connections of clients that show no name.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { test } from 'node:test';
import { startTestServer, type TestServer } from './test-server.ts';

async function ask(session: ClientHttp2Session, path: string, more: object = {}): Promise<number> {
  const stream = session.request({ ':path': path, ...more });
  const [headers] = await once(stream, 'response');
  stream.resume();
  await once(stream, 'close');
  return headers[':status'];
}

async function started(options: Parameters<typeof startTestServer>[0] = {}) {
  const server = await startTestServer(options);
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop() });
}

async function open({ url, ca }: TestServer, identity: object = {}): Promise<ClientHttp2Session> {
  const session = connect(url, { ca, ...identity });
  await once(session, 'connect');
  return session;
}

test('a nameless client gets answers, one a connection; others keep theirs', async () => {
  await using server = await started();
  const nameless = await open(server);
  // Asked for before the first answer, both are answered.
  const ended = once(nameless, 'close');
  const both = [ask(nameless, '/livez'), ask(nameless, '/version')];
  assert.deepEqual(await Promise.all(both), [200, 200]);
  await ended;

  const refused = await open(server);
  assert.equal(await ask(refused, '/api/v1/pods', { authorization: 'Bearer wrong' }), 401);
  if (!refused.destroyed) await once(refused, 'close');

  const named = await open(server, { cert: server.admin.certificatePem, key: server.admin.keyPem });
  assert.equal(await ask(named, '/livez'), 200);
  assert.equal(await ask(named, '/api/v1/pods'), 200);
  named.destroy();
});

test('switched off, nameless clients keep their connections', async () => {
  await using server = await started({ featureGates: { UnauthenticatedHTTP2DOSMitigation: false } });
  const session = await open(server);
  assert.equal(await ask(session, '/livez'), 200);
  assert.equal(await ask(session, '/api/v1/pods', { authorization: 'Bearer wrong' }), 401);
  assert.equal(await ask(session, '/livez'), 200);
  session.destroy();
});
