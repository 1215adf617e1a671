import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { coreV1 } from '../../api/refs.ts';
import type { Event, EventList } from '../../api/type/audit-v1.ts';
import { settle, systemClock, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { ask } from '../test-request.ts';
import { startTestServer } from '../test-server.ts';
import { DeliveringSink, type DeliveryOptions } from './delivering-sink.ts';
import { legacyLine } from './kernel/legacy-line.ts';
import { checkPolicy } from './kernel/policy.ts';
import { AuditLogFile } from './log-file.ts';
import type { AuditSink } from './sink.ts';

const event = (id: number, more: Partial<Event> = {}): Event => ({
  level: 'Metadata',
  auditID: String(id),
  stage: 'ResponseComplete',
  requestURI: '/version',
  verb: 'get',
  user: { username: 'u' },
  ...more,
});

function bench(options: Partial<DeliveryOptions> = {}) {
  const clock = new VirtualClock();
  const batches: string[][] = [];
  const seen: Event[] = [];
  let lost = 0;
  const sink = new DeliveringSink({
    plugin: 'webhook',
    mode: 'batch',
    batch: { bufferSize: 5, maxSize: 3, maxWaitMs: 1000 },
    write: async events => {
      seen.push(...events);
      batches.push(events.map(e => e.auditID));
    },
    clock,
    log: silentLog,
    ...options,
  });
  sink.onLost = (_plugin, events) => {
    lost += events;
  };
  return { clock, batches, seen, sink, lost: () => lost };
}

test('batches go when they are full or have waited; what the buffer cannot take is lost', async () => {
  const { clock, batches, sink, lost } = bench({
    batch: { bufferSize: 5, maxSize: 3, maxWaitMs: 1000, throttle: { qps: 1, burst: 1 } },
  });
  assert.equal(sink.write(event(1)), true);
  await clock.advance(999);
  assert.deepEqual(batches, []);
  await clock.advance(1);
  assert.deepEqual(batches, [['1']]);
  // The throttle lets one batch a second go.
  for (let i = 2; i <= 8; i++) assert.equal(sink.write(event(i)), true);
  assert.equal(lost(), 2);
  await clock.advance(999);
  assert.equal(batches.length, 1);
  await clock.advance(1);
  assert.deepEqual(batches.at(-1), ['2', '3', '4']);
  sink.write(event(9));
  await sink.close();
  assert.deepEqual(batches.flat(), ['1', '2', '3', '4', '5', '6', '9']);
});

test('blocking sinks are waited for, strict ones say what became of it', async () => {
  const blocking = bench({ mode: 'blocking' });
  assert.equal(await blocking.sink.write(event(1)), true);
  assert.deepEqual(blocking.batches, [['1']]);
  const strict = bench({ mode: 'blocking-strict', write: () => Promise.reject(new Error('away')) });
  assert.equal(strict.sink.strict, true);
  assert.equal(await strict.sink.write(event(1)), false);
  assert.equal(strict.lost(), 1);
});

test('large events lose their bodies, larger ones are lost; batches are split by size', async () => {
  const truncate = { maxEventBytes: 400, maxBatchBytes: 380 };
  const { sink, seen, batches, lost } = bench({ truncate });
  const fill = (n: number) => ({ requestObject: { a: 'x'.repeat(n) } as never });
  sink.write(event(1, fill(10)));
  sink.write(event(2, fill(1000)));
  sink.write(event(3, { requestURI: `/${'x'.repeat(1000)}` }));
  sink.write(event(4));
  await sink.close();
  assert.equal(lost(), 1);
  assert.deepEqual(
    batches.map(b => b.length),
    [2, 1],
  );
  const [whole, short] = seen;
  assert.ok(whole!.requestObject && !whole!.annotations);
  assert.equal(short!.requestObject, undefined);
  assert.deepEqual(short!.annotations, { 'audit.k8s.io/truncated': 'true' });
});

test('a log may be lines of words, and packed once it is put aside', async () => {
  const line = legacyLine(
    event(1, {
      user: { username: 'u', groups: ['a', 'b'] },
      sourceIPs: ['10.0.0.1'],
      stageTimestamp: '2026-01-01T00:00:00.000000Z',
      responseStatus: { code: 200, metadata: {} } as never,
    }),
  );
  assert.equal(
    line,
    '2026-01-01T00:00:00.000000Z AUDIT: id="1" stage="ResponseComplete" ip="10.0.0.1" method="get" user="u" groups="\\"a\\",\\"b\\"" as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" uri="/version" response="200"',
  );
  const directory = mkdtempSync(join(tmpdir(), 'audit-'));
  try {
    const path = join(directory, 'audit.log');
    const file = new AuditLogFile({
      path,
      maxSizeMb: 1,
      compress: true,
      format: 'legacy',
      clock: new VirtualClock(),
      log: silentLog,
    });
    const large = event(1, { requestURI: 'x'.repeat(700_000) });
    assert.equal(await file.write(large), true);
    assert.equal(await file.write(event(2)), true);
    assert.equal(await file.write(large), true);
    await file.close();
    const [packed, ...rest] = readdirSync(directory).sort();
    assert.deepEqual(rest, ['audit.log']);
    assert.match(packed!, /\.log\.gz$/);
    const lines = gunzipSync(readFileSync(join(directory, packed!)))
      .toString()
      .trimEnd()
      .split('\n');
    assert.deepEqual(lines, [legacyLine(large), legacyLine(event(2))]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const policy = checkPolicy({
  kind: 'Policy',
  apiVersion: 'audit.k8s.io/v1',
  rules: [
    { level: 'None', users: ['system:apiserver'] },
    { level: 'Request', verbs: ['create', 'get'] },
  ],
});

test('a webhook gets lists of events, again when it had trouble', async () => {
  const posted: EventList[] = [];
  let calls = 0;
  const arrived = Promise.withResolvers<void>();
  const collector = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (c: Buffer) => chunks.push(c));
    request.on('end', () => {
      const trouble = [500, 400][calls++];
      response.writeHead(trouble ?? 200).end();
      if (trouble) return;
      posted.push(JSON.parse(Buffer.concat(chunks).toString()));
      if (posted.flatMap(l => l.items).some(e => e.verb === 'create' && e.stage === 'ResponseComplete'))
        arrived.resolve();
    });
  });
  await new Promise<void>(resolve => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  const server = await startTestServer({
    audit: {
      policy,
      sinks: [],
      webhook: {
        mode: 'batch',
        batch: { bufferSize: 100, maxSize: 2, maxWaitMs: 5 },
        initialBackoffMs: 1,
        access: { server: `http://127.0.0.1:${port}/audit`, namespace: '', clock: systemClock } as never,
      },
    },
  });
  try {
    const http = await server.http();
    await http.create(coreV1.configmaps, { metadata: { name: 'c', namespace: 'default' } });
    await arrived.promise;
    assert.equal(posted[0]!.kind, 'EventList');
    assert.equal(posted[0]!.apiVersion, 'audit.k8s.io/v1');
    const stages = posted
      .flatMap(l => l.items)
      .filter(e => e.verb === 'create')
      .map(e => e.stage);
    assert.deepEqual(stages, ['RequestReceived', 'ResponseComplete']);
    assert.match(await server.server.metrics.text(), /\napiserver_audit_event_total [1-9]/);
  } finally {
    await server.stop();
    collector.close();
  }
});

test('a strict sink that fails refuses requests as they arrive; a blocking one is waited for', async () => {
  let works = false;
  const waiting = Promise.withResolvers<void>();
  let answered = false;
  const strict: AuditSink = {
    strict: true,
    write: e => (e.verb === 'create' ? works : true),
  };
  const blocking: AuditSink = {
    write: e => (e.verb === 'get' && e.stage === 'ResponseComplete' ? waiting.promise.then(() => true) : true),
  };
  const server = await startTestServer({ audit: { policy, sinks: [strict, blocking] } });
  try {
    const http = await server.http();
    const create = () => http.create(coreV1.configmaps, { metadata: { name: 'c', namespace: 'default' } });
    await assert.rejects(create(), { code: 500, message: /failed to store audit event/ });
    assert.match(await server.server.metrics.text(), /\napiserver_audit_requests_rejected_total 1\n/);
    const path = '/api/v1/namespaces/default/configmaps';
    const refused = await ask(server, path, { method: 'POST', body: { metadata: { name: 'c' } } });
    assert.equal(refused.body.toString(), `Internal Server Error: "${path}": failed to store audit event\n`);
    works = true;
    await create();
    const got = http.get(coreV1.configmaps, { namespace: 'default', name: 'c' }).then(() => {
      answered = true;
    });
    for (let i = 0; i < 20; i++) await settle();
    assert.equal(answered, false);
    waiting.resolve();
    await got;
  } finally {
    await server.stop();
  }
});
