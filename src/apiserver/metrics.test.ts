import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { createMetrics } from '../base/metrics.ts';
import { requestMetrics } from './metrics.ts';
import type { RequestInfo } from './request-info.ts';

test('requests are counted by the labels of Kubernetes', async () => {
  const metrics = createMetrics();
  const { observe } = requestMetrics(metrics, new VirtualClock(0));
  const info = (verb: string, more: object = {}) =>
    ({
      isResource: true,
      verb,
      group: 'apps',
      version: 'v1',
      resource: 'deployments',
      subresource: '',
      namespace: 'a',
      name: '',
      ...more,
    }) as RequestInfo;
  observe(info('create'), 201, 0);
  observe(info('list'), 200, 0);
  observe(info('list', { namespace: '' }), 200, 0);
  observe(info('update', { name: 'd', subresource: 'status' }), 200, 0);
  observe(info('create', { name: 'p', group: '', resource: 'pods', subresource: 'exec' }), 101, 0);
  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('apiserver_request_total{'));
  const label = (name: string) => lines.map(l => new RegExp(`[{,]${name}="([^"]*)"`).exec(l)![1]);
  assert.deepEqual(label('verb'), ['POST', 'LIST', 'LIST', 'PUT', 'CONNECT']);
  assert.deepEqual(label('scope'), ['resource', 'namespace', 'cluster', 'resource', 'resource']);
  assert.deepEqual([...new Set(label('component'))], ['apiserver']);
});
