import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { freePort } from '../../base/test-free-port.ts';
import { createStatusServer } from './status-server.ts';

test('a component shows metrics, health, state, flags and profiles', async () => {
  const port = await freePort();
  const ending = new AbortController();
  const debug = {
    component: 'kube-scheduler',
    version: '1.36.2',
    flags: { 'leader-elect': 'true' },
    clock: systemClock,
  };
  const running = createStatusServer({ host: '127.0.0.1', port, metrics: createMetrics(), debug }).run(ending.signal);
  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { code: answer.status, text: await answer.text() };
  };
  try {
    assert.match((await get('/metrics')).text, /\nprocess_cpu_seconds_total \d/);
    assert.match((await get('/metrics/slis')).text, /kubernetes_healthcheck\{name="ping",type="healthz"\} 1/);
    assert.match((await get('/statusz')).text, /^\nkube-scheduler statusz\n/);
    assert.match((await get('/flagz')).text, /\nleader-elect: true\n/);
    assert.ok(JSON.parse((await get('/debug/pprof/heap?seconds=1')).text).head);
    assert.equal((await get('/healthz')).text, 'ok');
    assert.equal((await get('/logs')).code, 404);
  } finally {
    ending.abort();
    await running;
  }
});
