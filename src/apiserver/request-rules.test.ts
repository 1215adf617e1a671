// Flags about every request, as k8s.io/apiserver's own server takes them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { parseRequest } from './request-info.ts';
import { requestRules } from './request-rules.ts';
import { testApi } from './test-api.ts';
import { startTestServer } from './test-server.ts';

const clock = new VirtualClock(systemClock.now());
let chance = 0.5;
const api = testApi({ clock, random: { ...systemRandom, next: () => chance }, minRequestTimeout: 10 });

test('watches live between the least time of a request and twice that', { timeout: 20_000 }, async () => {
  const watching = await api.watch('/api/v1/namespaces?watch=1');
  let ended = false;
  void watching.ended.then(() => {
    ended = true;
  });
  await clock.advance(14_900);
  assert.ok(!ended);
  await clock.advance(200);
  await watching.ended;
});

const server = await startTestServer({
  random: { ...systemRandom, next: () => chance },
  goawayChance: 0.02,
  strictTransportSecurityDirectives: ['max-age=31536000', 'includeSubDomains', 'preload'],
});
after(() => server.stop());

test('answers say how long browsers are to stay with TLS; some end their connection', { timeout: 20_000 }, async () => {
  const { ca, admin, url } = server;
  const session = connect(url, { ca, cert: admin.certificatePem, key: admin.keyPem });
  const ask = async (path: string) => {
    const stream = session.request({ ':path': path }).resume();
    const [head] = await once(stream, 'response');
    return [head[':status'], head['strict-transport-security']];
  };
  const header = 'max-age=31536000; includeSubDomains; preload';
  for (const [path, code] of [
    ['/readyz', 200],
    ['/apis/none', 404],
    ['/api/v1/namespaces', 200],
  ] as const)
    assert.deepEqual(await ask(path), [code, header]);
  assert.ok(!session.closed);
  const ended = once(session, 'goaway');
  chance = 0.01;
  assert.deepEqual(await ask('/readyz'), [200, header]);
  await ended;
  session.destroy();
});

test('no request takes longer than the server lets it, whatever time it gives itself', () => {
  const told = requestRules({ requestTimeoutMs: 2000 }, systemRandom);
  const plain = requestRules({}, systemRandom);
  const ask = (path: string, text: string) => {
    const query = new URLSearchParams(text);
    const info = parseRequest('GET', path, query);
    return [told.allowedMs(info, query), plain.allowedMs(info, query)];
  };
  const maps = '/api/v1/configmaps';
  assert.deepEqual(ask(maps, ''), [2000, undefined]);
  assert.deepEqual(ask(maps, 'timeout=1s'), [1000, 1000]);
  assert.deepEqual(ask(maps, 'timeout=100s'), [2000, 60_000]);
  assert.deepEqual(ask(maps, 'watch=1&timeout=1s'), [undefined, undefined]);
});
