// What a server tells of itself: metrics, pages and profiles, spans, slow requests.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { VirtualClock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseRequest } from '../request-info.ts';
import { ask } from '../test-request.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { readTraceparent, runTraced, traceHeaders } from './trace.ts';
import { createTracer } from './tracer.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

describe('a server', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer({ flags: { 'authorization-mode': '[Node,RBAC]' } });
  });
  after(() => server.stop());

  test('serves the stable metrics of Kubernetes with their labels', async () => {
    await ask(server, configMaps, { method: 'POST', body: { metadata: { name: 'a' } } });
    await ask(server, '/api/v1/endpoints');
    const text = (await ask(server, '/metrics')).body.toString();
    const expected = [
      'apiserver_admission_controller_admission_duration_seconds_bucket{name="NamespaceLifecycle",operation="CREATE",rejected="false",type="admit",le="0.005"}',
      'apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="false",type="validate"}',
      'apiserver_storage_objects{resource="configmaps"} ',
      'apiserver_storage_objects{resource="clusterroles.rbac.authorization.k8s.io"} ',
      'apiserver_resource_objects{group="",resource="configmaps"} ',
      'apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints",subresource="",version="v1"} 1',
      'apiserver_request_sli_duration_seconds_count{verb="POST",group="",version="v1",resource="configmaps",subresource="",scope="resource",component="apiserver"} 1',
      'etcd_request_duration_seconds_count{operation="create",group="",resource="configmaps"} ',
      'etcd_requests_total{operation="create",group="",resource="configmaps"} ',
      'authorization_attempts_total{result="allowed"} ',
      'authentication_attempts{result="success"} ',
      'kubernetes_feature_enabled{name="',
      'kubernetes_build_info{build_date="',
      'process_cpu_seconds_total ',
      'process_resident_memory_bytes ',
      'process_start_time_seconds ',
      'apiserver_current_inflight_requests{request_kind="readOnly"} ',
      '# TYPE apiserver_longrunning_requests gauge',
    ];
    for (const line of expected) assert.ok(text.includes(`\n${line}`), line);
  });

  test('counts watches as long as they last', async () => {
    const { open } = await import('../test-request.ts');
    const watch = await open(server, `${configMaps}?watch=true`);
    const series =
      /apiserver_longrunning_requests\{component="apiserver",group="",resource="configmaps",scope="namespace",subresource="",verb="WATCH",version="v1"\} (\d)/;
    const count = async () => series.exec((await ask(server, '/metrics')).body.toString())?.[1];
    assert.equal(await count(), '1');
    watch.destroy();
    for (let i = 0; i < 50 && (await count()) !== '0'; i++);
    assert.equal(await count(), '0');
  });

  test('shows its state, flags, health and profiles to those who may see them', async () => {
    await ask(server, '/readyz');
    const slis = (await ask(server, '/metrics/slis')).body.toString();
    assert.match(slis, /kubernetes_healthcheck\{name="ping",type="readyz"\} 1/);
    assert.match(slis, /kubernetes_healthchecks_total\{name="ping",status="success",type="readyz"\} 1/);
    assert.match((await ask(server, '/statusz')).body.toString(), /^kube-apiserver statusz\n/);
    assert.match(
      (await ask(server, '/flagz')).body.toString(),
      /\nauthorization-mode: \[Node,RBAC\]\nprofiling: true\n/,
    );
    const heap = await ask(server, '/debug/pprof/heap?seconds=1');
    assert.ok(JSON.parse(heap.body.toString()).head);
    const http = await server.http({ name: 'nobody' });
    for (const path of ['/statusz', '/flagz', '/debug/pprof/profile', '/metrics'])
      await assert.rejects(http.raw(path), { code: 403 }, path);
    assert.equal((await ask(server, '/logs/')).code, 404);
  });
});

test('spans of sampled requests go to the collector, in the trace that the client is in', async () => {
  const received: Buffer[] = [];
  const arrived = Promise.withResolvers<void>();
  const collector = new Server();
  const same = (bytes: Buffer) => bytes;
  const Export = {
    path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    ...{ requestStream: false, responseStream: false },
    ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
  };
  collector.addService({ Export }, {
    Export: (call: { request: Buffer }, answer: (error: null, value: Buffer) => void) => {
      received.push(call.request);
      answer(null, Buffer.alloc(0));
      arrived.resolve();
    },
  } as unknown as UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) =>
    collector.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const server = await startTestServer({ tracing: { endpoint: `127.0.0.1:${port}`, samplingRatePerMillion: 0 } });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  await ask(server, configMaps, { method: 'POST', body: { metadata: { name: 'untraced' } } });
  await ask(server, configMaps, {
    method: 'POST',
    body: { metadata: { name: 'traced' } },
    headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
  });
  // Stopping sends what is left.
  await server.stop();
  await arrived.promise;
  collector.forceShutdown();
  const all = Buffer.concat(received);
  assert.ok(all.includes(Buffer.from(traceId, 'hex')));
  assert.ok(all.includes(Buffer.from('b7ad6b7169203331', 'hex')));
  for (const text of [
    'POST /api/v1/namespaces/{:namespace}/configmaps',
    'store create',
    '/registry/configmaps/default/traced',
  ])
    assert.ok(all.includes(text), text);
  assert.ok(!all.includes('untraced'));
});

test('requests over half a second are told in the log with what took long', () => {
  const lines: string[] = [];
  const clock = new VirtualClock(0);
  const log = createLog('test', { clock, write: line => void lines.push(line) });
  const tracer = createTracer(undefined, { clock, random: seededRandom(1), log });
  const exchange = {
    method: 'POST',
    path: configMaps,
    rawQuery: '?x=1',
    headers: { 'user-agent': 'u' },
  } as unknown as Exchange;
  const info = parseRequest('POST', configMaps, new URLSearchParams());
  const end = (endMs: number) => {
    const trace = tracer.begin(exchange, 0, () => undefined);
    trace.step('store create', 100, 580);
    trace.step('admission A', 90, 95);
    tracer.end(trace, { info, exchange, code: 201, endMs });
  };
  end(499);
  assert.deepEqual(lines, []);
  end(600);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /a request was slow trace=Create method=POST .*totalMs=600 steps=\["store create: 480ms \(at 100ms\)"\]/,
  );
});

test('trace context is read and passed on as W3C says; strangers do not decide what is sampled', () => {
  const traceId = 'a'.repeat(32);
  const given = `00-${traceId}-${'b'.repeat(16)}-01`;
  assert.deepEqual(readTraceparent(given), { traceId, parentId: 'b'.repeat(16), sampled: true });
  for (const bad of ['', 'x', given.replace(/a/g, '0'), `ff${given.slice(2)}`, `${given}-x`, given.toUpperCase()])
    assert.equal(readTraceparent(bad), undefined, bad);
  const clock = new VirtualClock(0);
  const log = createLog('test', { clock, write() {} });
  const tracing = { endpoint: 'localhost:4317', samplingRatePerMillion: 0 };
  const tracer = createTracer(tracing, { clock, random: seededRandom(1), log });
  const headersFor = (groups: string[]) => {
    const exchange = { headers: { traceparent: given, tracestate: 'k=v' } };
    return runTraced(
      tracer.begin(exchange, 0, () => ({ name: 'u', groups })),
      traceHeaders,
    );
  };
  const { traceparent, tracestate } = headersFor(['system:monitoring']);
  assert.match(traceparent!, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  assert.equal(tracestate, 'k=v');
  assert.match(headersFor(['people']).traceparent!, /^00-(?!a{32})[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});
