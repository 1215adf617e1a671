// How the port speaks with its clients, by kube-apiserver's flags of TLS and HTTP/2.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { after, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { eventsV1 } from '../../api/refs.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const clock = new VirtualClock(systemClock.now());
const newest = await startTestServer({ serving: { minVersion: 'TLSv1.3', http2: false } });
const chosen = await startTestServer({
  serving: { ciphers: 'TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384', maxStreams: 7 },
  ...{ eventTtlMs: 60_000, clock },
});
after(() => Promise.all([newest.stop(), chosen.stop()]));

/** What both sides have agreed on. */
async function agreed({ url, ca }: TestServer, options: ConnectionOptions) {
  const { port } = new URL(url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', ca, ALPNProtocols: ['h2', 'http/1.1'], ...options });
  try {
    await once(socket, 'secureConnect');
    return [socket.getProtocol(), socket.getCipher().name, socket.alpnProtocol];
  } finally {
    socket.destroy();
  }
}

test('the least version of TLS, and a port without HTTP/2', async () => {
  assert.deepEqual((await agreed(newest, {})).toSpliced(1, 1), ['TLSv1.3', 'http/1.1']);
  await assert.rejects(agreed(newest, { maxVersion: 'TLSv1.2' }), /alert protocol version/);
  assert.equal((await (await newest.http()).raw('/readyz')) !== undefined, true);
});

test('cipher suites, and how many requests one connection carries', async () => {
  assert.deepEqual(await agreed(chosen, {}), ['TLSv1.3', 'TLS_AES_256_GCM_SHA384', 'h2']);
  const older = ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'h2'];
  assert.deepEqual(await agreed(chosen, { maxVersion: 'TLSv1.2' }), older);
  const others = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const;
  await assert.rejects(agreed(chosen, others), /alert handshake failure/);
  const session = connectHttp2(chosen.url, { ca: chosen.ca });
  const [settings] = await once(session, 'remoteSettings');
  session.destroy();
  assert.equal(settings.maxConcurrentStreams, 7);
});

test('events are kept as long as told', async () => {
  const client = await chosen.http();
  const metadata = { name: 'e', namespace: 'default' };
  await client.create(eventsV1.events, {
    metadata,
    ...{ eventTime: '2026-01-01T00:00:00.000000Z', reportingController: 'example.com/c', reportingInstance: 'i' },
    ...{ action: 'Act', reason: 'Acted', type: 'Normal', regarding: { namespace: 'default', name: 'x', kind: 'Pod' } },
  } as never);
  await clock.advance(50_000);
  await client.get(eventsV1.events, metadata);
  await clock.advance(20_000);
  await assert.rejects(client.get(eventsV1.events, metadata), { code: 404 });
});
