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
      'process_virtual_memory_max_bytes ',
      'go_threads ',
      'process_start_time_seconds ',
      'apiserver_current_inflight_requests{request_kind="readOnly"} ',
      '# TYPE apiserver_longrunning_requests gauge',
    ];
    for (const line of expected) assert.ok(text.includes(`\n${line}`), line);
  });

  test('tells how it is: whether it is well, lives, may be asked', async () => {
    const told = async (path: string) => (await ask(server, path)).body.toString();
    const well = '[+]ping ok\n[+]log ok\n[+]etcd ok\n';
    assert.equal(await told('/livez?verbose'), `${well}livez check passed\n`);
    assert.equal(await told('/healthz?verbose'), `${well}[+]poststarthook/bootstrap ok\nhealthz check passed\n`);
    assert.equal(
      await told('/readyz?verbose&exclude=ping&exclude=none'),
      `${well.replace('ping ok', 'ping excluded: ok')}[+]poststarthook/bootstrap ok\n[+]informer-sync ok\n[+]shutdown ok\nwarn: some health checks cannot be excluded: no matches for "none"\nreadyz check passed\n`,
    );
    assert.equal(await told('/readyz/etcd'), 'ok');
  });

  test('serves what its watch caches, watches and bodies have counted', async () => {
    const { open } = await import('../test-request.ts');
    const body = { metadata: { name: 'b', labels: { in: 'b' } } };
    await ask(server, `${configMaps}`, { method: 'POST', body });
    const newest = JSON.parse((await ask(server, configMaps)).body.toString()).metadata.resourceVersion;
    await ask(server, `${configMaps}?labelSelector=in%3Db&resourceVersion=${newest}`);
    const watch = await open(server, `${configMaps}?watch=true`);
    await new Promise(resolve => watch.once('data', resolve));
    watch.destroy();
    const initial = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    (await open(server, `${configMaps}?${initial}`)).destroy();
    const text = (await ask(server, '/metrics')).body.toString();
    const of = (name: string, labels: string) => {
      const line = text.split('\n').find(l => l.startsWith(`${name}{${labels}} `));
      return line === undefined ? undefined : Number(line.split(' ').at(-1));
    };
    const configmaps = 'group="",resource="configmaps"';
    const received = of('apiserver_watch_cache_events_received_total', configmaps)!;
    assert.ok(received >= 3, `${received}`);
    assert.equal(of('apiserver_watch_cache_events_dispatched_total', configmaps), received);
    assert.equal(of('apiserver_storage_events_received_total', configmaps), received);
    assert.equal(of('apiserver_watch_cache_initializations_total', configmaps), 1);
    assert.ok(of('apiserver_watch_cache_resource_version', configmaps)! >= Number(newest));
    assert.ok(of('watch_cache_capacity', configmaps)! >= 1000);
    const inDefault = of('apiserver_watch_events_total', `${configmaps},version="v1"`)!;
    assert.ok(inDefault >= 2, `${inDefault}`);
    assert.equal(of('apiserver_watch_events_sizes_count', `${configmaps},version="v1"`), inDefault);
    assert.ok(of('apiserver_init_events_total', configmaps)! >= inDefault - 1, 'all but the bookmark');
    const lists = of('apiserver_cache_list_total', 'group="",index="",resource="configmaps"')!;
    const fetched = of('apiserver_cache_list_fetched_objects_total', 'group="",index="",resource="configmaps"')!;
    const returned = of('apiserver_cache_list_returned_objects_total', configmaps)!;
    assert.ok(lists >= 2 && returned >= 1, `${lists} ${returned}`);
    assert.ok(fetched > returned, 'a list with a selector looks at more than it gives');
    const consistent = `fallback="false",${configmaps},success="true"`;
    assert.ok(of('apiserver_watch_cache_consistent_read_total', consistent)! >= 1);
    assert.ok(of('apiserver_watch_cache_read_wait_seconds_count', configmaps)! >= 1);
    assert.equal(of('apiserver_request_body_size_bytes_bucket', `${configmaps},verb="create",le="50000"`), 2);
    assert.ok(of('apiserver_selfrequest_total', 'group="",resource="namespaces",subresource="",verb="POST"')! >= 3);
    assert.ok(of('etcd_requests_total', 'operation="create",group="",resource="services"') === undefined);
    assert.ok(of('etcd_requests_total', 'operation="create",group="rbac.authorization.k8s.io",resource="roles"')! >= 1);
    assert.equal(of('serviceaccount_valid_tokens_total', ''), undefined);
    const watchList = 'group="",resource="configmaps",scope="namespace",version="v1"';
    assert.equal(of('apiserver_watch_list_duration_seconds_count', watchList), 1);
    assert.match(text, /\nserviceaccount_valid_tokens_total 0\n/);
    // Certificates of tests last for a day.
    assert.equal(of('apiserver_client_certificate_expiration_seconds_bucket', 'le="43200"'), 0);
    assert.ok(of('apiserver_client_certificate_expiration_seconds_bucket', 'le="86400"')! >= 5);
    assert.match(text, /\napiserver_tls_handshake_errors_total 0\n/);
    assert.doesNotMatch(text, /apiserver_storage_size_bytes\{/, 'memory lies on no disk');
  });

  test('times its filters, field validation, CEL and the graph that nodes are authorized by', async () => {
    const post = async (path: string, body: object) => {
      const { code, body: answer } = await ask(server, path, { method: 'POST', body });
      assert.equal(code, 201, answer.toString());
    };
    const resourceRules = [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }];
    const policies = '/apis/admissionregistration.k8s.io/v1';
    await post(`${policies}/validatingadmissionpolicies`, {
      metadata: { name: 'p' },
      spec: { matchConstraints: { resourceRules }, validations: [{ expression: "object.metadata.name != 'no'" }] },
    });
    await post(`${policies}/validatingadmissionpolicybindings`, {
      metadata: { name: 'p' },
      spec: { policyName: 'p', validationActions: ['Deny'] },
    });
    await post('/api/v1/persistentvolumes', {
      metadata: { name: 'v' },
      spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/v' } },
    });
    await post(`${configMaps}?fieldValidation=Strict`, { metadata: { name: 'c' } });
    const text = (await ask(server, '/metrics')).body.toString();
    for (const line of [
      'apiserver_request_filter_duration_seconds_bucket{filter="authentication",le="0.0001"} ',
      'apiserver_request_filter_duration_seconds_bucket{filter="authorization",le="0.0003"} ',
      'apiserver_request_filter_duration_seconds_bucket{filter="priorityandfairness",le="30"} ',
      'field_validation_request_duration_seconds_bucket{field_validation="Strict",le="0.05"} ',
      'field_validation_request_duration_seconds_count{field_validation="Strict"} 1',
      'field_validation_request_duration_seconds_count{field_validation="Warn"} ',
      'apiserver_cel_compilation_duration_seconds_count 1',
      'apiserver_cel_evaluation_duration_seconds_count 1',
      'node_authorizer_graph_actions_duration_seconds_count{operation="AddPV"} 1',
      '# TYPE apiserver_request_aborts_total counter',
    ])
      assert.ok(text.includes(`\n${line}`), line);
  });

  test('counts who does not get through TLS', async () => {
    const { connect } = await import('node:net');
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname, () => socket.end('GET / HTTP/1.0\r\n\r\n'));
    await new Promise(resolve => socket.resume().once('close', resolve));
    assert.match((await ask(server, '/metrics')).body.toString(), /\napiserver_tls_handshake_errors_total 1\n/);
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
    assert.match((await ask(server, '/statusz')).body.toString(), /^\napiserver statusz\n/);
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
    ...['constrainedimpersonation', 'priorityandfairness', 'authorization', 'Create', 'http.target', configMaps],
    ...['audit-id', 'client.address', 'http.response.body.size', 'api-version', 'user-agent'],
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
    uri: `${configMaps}?x=1`,
    headers: { 'user-agent': 'u' },
  } as unknown as Exchange;
  const info = parseRequest('POST', configMaps, new URLSearchParams());
  const end = (endMs: number, of = info) => {
    const trace = tracer.begin(exchange, 0, () => undefined);
    trace.step('store create', 100, 580);
    trace.step('admission A', 90, 95);
    tracer.end(trace, { info: of, exchange, auditId: 'a', code: 201, endMs });
  };
  end(499);
  assert.deepEqual(lines, []);
  end(600);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    /a request was slow trace=Create method=POST .*totalMs=600 steps=\["store create: 480ms \(at 100ms\)"\]/,
  );
  // What lasts as long as its client likes is not slow.
  for (const stream of ['exec', 'attach', 'portforward', 'log', 'proxy'])
    end(60_000, parseRequest('GET', `/api/v1/namespaces/n/pods/p/${stream}`, new URLSearchParams()));
  assert.equal(lines.length, 1);
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
