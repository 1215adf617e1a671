// --shutdown-delay-duration, as Kubernetes documents it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle, systemClock, VirtualClock } from '../../base/clock.ts';
import { superuserOf } from '../test-api.ts';
import { startTestServer } from '../test-server.ts';

test('told to stop, a server serves on for a while, not ready any more', { timeout: 20_000 }, async () => {
  const clock = new VirtualClock(systemClock.now());
  const server = await startTestServer({ clock, shutdownDelayMs: 5000 });
  const api = superuserOf(server);
  try {
    await api.expect(200, 'GET', '/readyz');
    let stopped = false;
    const stopping = server.stop().then(() => {
      stopped = true;
    });
    await settle();
    for (const path of ['/livez', '/healthz']) await api.expect(200, 'GET', path);
    await api.expect(500, 'GET', '/readyz');
    // What is made is seen: nothing behind the API stands still.
    await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'late' } });
    const watching = await api.watch('/api/v1/namespaces?watch=1');
    await clock.advance(4900);
    await api.expect(200, 'GET', '/api/v1/namespaces/late');
    assert.ok(!stopped);
    await clock.advance(200);
    await watching.ended;
    await stopping;
    await assert.rejects(api.send('GET', '/livez'));
  } finally {
    api.close();
  }
});

test('one that does not serve yet stops at once', { timeout: 20_000 }, async () => {
  const clock = new VirtualClock(systemClock.now());
  const server = await startTestServer({ clock, shutdownDelayMs: 3_600_000, whenReady: false });
  await server.stop();
});
