import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { createMetrics } from '../base/metrics.ts';
import { requestMetrics } from './metrics.ts';
import { parseRequest, type RequestInfo } from './request-info.ts';

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
  const exchange = (contentType?: string, query = '') => ({
    headers: contentType ? { 'content-type': contentType } : {},
    query: new URLSearchParams(query),
    sentBytes: 2000,
    sentCode: 200,
    closed: false,
  });
  observe(info('create'), exchange(), 201, 0);
  observe(info('list'), exchange(), 200, 0);
  observe(info('list', { namespace: '' }), exchange(), 200, 0);
  observe(info('update', { name: 'd', subresource: 'status' }), exchange(), 200, 0);
  observe(info('create', { name: 'p', group: '', resource: 'pods', subresource: 'exec' }), exchange(), 101, 0);
  observe(info('patch', { name: 'd' }), exchange('application/apply-patch+yaml; charset=utf-8', 'dryRun=All'), 200, 0);
  observe(info('deletecollection'), exchange(), 200, 0);
  observe(info('watch'), exchange(), 200, 0);
  const text = await metrics.text();
  const lines = text.split('\n').filter(l => l.startsWith('apiserver_request_total{'));
  const label = (name: string) => lines.map(l => new RegExp(`[{,]${name}="([^"]*)"`).exec(l)![1]);
  assert.deepEqual(label('verb'), ['POST', 'LIST', 'LIST', 'PUT', 'CONNECT', 'APPLY', 'DELETE', 'WATCH']);
  assert.deepEqual(label('scope'), [
    ...['resource', 'namespace', 'cluster', 'resource', 'resource', 'resource', 'namespace', 'namespace'],
  ]);
  assert.deepEqual([...new Set(label('component'))], ['apiserver']);
  assert.deepEqual(label('dry_run'), ['', '', '', '', '', 'All', '', '']);
  assert.match(text, /\napiserver_response_sizes_bucket\{verb="LIST",[^}]*scope="namespace",[^}]*le="10000"\} 1\n/);
  assert.match(text, /\napiserver_request_duration_seconds_count\{verb="POST",[^}]*\} 1\n/);
  const promised = text.match(/^apiserver_request_sl[io]_duration_seconds_count\{verb="\w+"/gm)!;
  const verbs = promised.map(line => /"(\w+)"/.exec(line)![1]);
  assert.deepEqual(verbs, [...['POST', 'LIST', 'LIST', 'PUT', 'APPLY', 'DELETE'], ...verbs.slice(6)]);
  assert.deepEqual(verbs.slice(6), verbs.slice(0, 6));
  assert.match(text, /\napiserver_request_sli_duration_seconds_bucket\{verb="POST",[^}]*le="0.05"\} 1\n/);
  assert.doesNotMatch(text, /apiserver_request_sli_duration_seconds_bucket\{[^}]*le="0.025"/);
});

test('of other pages those of health count, and what nobody serves does not', async () => {
  const metrics = createMetrics();
  const { observe } = requestMetrics(metrics, new VirtualClock(0), info => info.resource === 'pods');
  const exchange = { headers: {}, query: new URLSearchParams(), sentBytes: 9, sentCode: 200, closed: false };
  for (const path of ['/readyz', '/readyz/ping', '/version', '/apis', '/statusz', '/api/v1/pods', '/api/v1/none'])
    observe(parseRequest('GET', path, exchange.query), exchange, 200, 0);
  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('apiserver_request_total{'));
  assert.deepEqual(
    lines.map(l => l.match(/\w+="[^"]+"/g)!.join(' ')),
    [
      'verb="GET" subresource="/readyz" code="200"',
      'verb="GET" resource="statusz" component="apiserver" code="200"',
      'verb="LIST" version="v1" resource="pods" scope="cluster" component="apiserver" code="200"',
    ],
  );
});

test('a watch lasts until its exchange closes', async () => {
  const metrics = createMetrics();
  const clock = new VirtualClock(0);
  const { began } = requestMetrics(metrics, clock);
  let close = () => {};
  const onClose = (fn: () => void) => {
    close = fn;
  };
  began(parseRequest('GET', '/api/v1/pods', new URLSearchParams('watch=true')), { onClose }, clock.monotonic());
  await clock.advance(3000);
  close();
  assert.match(await metrics.text(), /\napiserver_request_duration_seconds_sum\{verb="WATCH",[^}]*\} 3\n/);
});

test('names nobody serves do not fill the memory, nor hide those that are', async () => {
  const metrics = createMetrics();
  const { observe } = requestMetrics(metrics, new VirtualClock(0));
  const exchange = { headers: {}, query: new URLSearchParams(), sentBytes: 0, sentCode: 200, closed: false };
  const get = (resource: string, code: number) =>
    observe(parseRequest('GET', `/api/v1/namespaces/a/${resource}/x`, exchange.query), exchange, code, 0);
  for (let i = 0; i < 4000; i++) get(`r${i}`, 404);
  get('pods', 200);
  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('apiserver_request_total{'));
  assert.equal(lines.length, 2502);
  assert.ok(lines.some(l => l.startsWith('apiserver_request_total{verb="other",') && l.endsWith(' 1500')));
  assert.ok(lines.some(l => l.includes('resource="pods"')));
});

test('an answer that nobody waited for is an abort; a stream that ended is none', async () => {
  const metrics = createMetrics();
  const { observe } = requestMetrics(metrics, new VirtualClock(0));
  const exchange = { headers: {}, query: new URLSearchParams(), sentBytes: 0, sentCode: 0, closed: true };
  const of = (path: string) => parseRequest('GET', `/api/v1/namespaces/a/${path}`, exchange.query);
  observe(of('pods'), exchange, 200, 0);
  observe(of('pods/p/exec'), exchange, 101, 0);
  observe(of('pods/p'), { ...exchange, sentCode: 200 }, 200, 0);
  const lines = (await metrics.text()).split('\n').filter(l => l.startsWith('apiserver_request_aborts_total{'));
  assert.deepEqual(lines, [
    'apiserver_request_aborts_total{group="",resource="pods",scope="namespace",subresource="",verb="LIST",version="v1"} 1',
  ]);
});

test('field validation is counted of writes, by what was asked for', async () => {
  const metrics = createMetrics();
  const { observe } = requestMetrics(metrics, new VirtualClock(0));
  const write = (method: string, query: string) => {
    const exchange = { headers: {}, query: new URLSearchParams(query), sentBytes: 0, sentCode: 200, closed: false };
    observe(parseRequest(method, '/api/v1/namespaces/a/pods/x', exchange.query), exchange, 200, 0);
  };
  write('PUT', 'fieldValidation=Strict');
  write('PATCH', 'fieldValidation=toString');
  write('PUT', '');
  write('GET', 'fieldValidation=Strict');
  const lines = (await metrics.text())
    .split('\n')
    .filter(l => l.startsWith('field_validation_request_duration_seconds_count'));
  assert.deepEqual(lines, [
    'field_validation_request_duration_seconds_count{field_validation="Warn"} 1',
    'field_validation_request_duration_seconds_count{field_validation="Strict"} 1',
  ]);
});
