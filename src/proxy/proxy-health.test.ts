import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { Node } from '../api/type/core-v1.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { freePort } from '../base/test-free-port.ts';
import { HealthCheckServers } from './health-check-servers.ts';
import { proxyHealth } from './proxy-health.ts';
import { proxyMetrics } from './proxy-metrics.ts';

const host = '127.0.0.1';

/** Asks until somebody listens. */
async function get(port: number, path: string): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetch(`http://${host}:${port}${path}`);
    } catch (error) {
      if (attempt > 1_000) throw error;
      await new Promise(setImmediate);
    }
  }
}

test('healthz follows the rules and the node, livez the rules only', async () => {
  const state: { lastSyncMs: number | undefined; queuedMs: number | undefined } = {
    lastSyncMs: undefined,
    queuedMs: undefined,
  };
  let node: Node | undefined;
  const [port, metricsPort] = [await freePort(), await freePort()];
  const service = proxyHealth({
    clock: systemClock,
    log: silentLog,
    metrics: proxyMetrics(createMetrics()),
    node: () => node,
    state: () => state,
    healthz: { host, port },
    metricsAt: { host, port: metricsPort },
  });
  const stop = new AbortController();
  const running = service.run(stop.signal);
  try {
    const codes = async () => [(await get(port, '/healthz')).status, (await get(port, '/livez')).status];
    assert.deepEqual(await codes(), [503, 503]);
    state.lastSyncMs = systemClock.now();
    assert.deepEqual(await codes(), [200, 200]);
    node = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' }, spec: {}, status: {} } as unknown as Node;
    assert.deepEqual(await codes(), [503, 200]);
    const body = (await (await get(port, '/healthz')).json()) as Record<string, unknown>;
    assert.deepEqual(Object.keys(body), ['lastUpdated', 'currentTime', 'nodeEligible']);
    state.queuedMs = systemClock.now() - 120_000;
    assert.deepEqual(await codes(), [503, 503]);
    const text = await (await get(metricsPort, '/metrics')).text();
    assert.match(text, /proxy_livez_total\{code="200"\} 2/);
    assert.equal(await (await get(metricsPort, '/proxyMode')).text(), 'nftables');
  } finally {
    stop.abort();
    await running;
  }
});

test('a load balancer learns how many endpoints are here', async () => {
  const port = await freePort();
  const servers = new HealthCheckServers({ clock: systemClock, log: silentLog, healthy: () => true });
  const stop = new AbortController();
  const running = servers.run(stop.signal);
  try {
    servers.set('shop/web', { port, localEndpoints: 2 });
    const some = await get(port, '/');
    assert.equal(some.status, 200);
    // On every address of the node, of whatever family.
    if (existsSync('/proc/net/if_inet6')) assert.equal((await fetch(`http://[::1]:${port}/`)).status, 200);
    assert.equal(some.headers.get('x-load-balancing-endpoint-weight'), '2');
    assert.deepEqual(await some.json(), {
      service: { namespace: 'shop', name: 'web' },
      localEndpoints: 2,
      serviceProxyHealthy: true,
    });
    servers.set('shop/web', { port, localEndpoints: 0 });
    assert.equal((await get(port, '/')).status, 503);
    servers.set('shop/web', undefined);
    await assert.rejects(fetch(`http://${host}:${port}/`));
  } finally {
    stop.abort();
    await running;
  }
});
