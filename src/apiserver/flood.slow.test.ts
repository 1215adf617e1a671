// Clients that would use up the server: bounded, and nobody else waits for them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { after, before, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { createLog } from '../base/log.ts';
import { ask } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const lines: string[] = [];
let server: TestServer;

before(async () => {
  const log = createLog('apiserver', { level: 'warn', write: line => void lines.push(line) });
  server = await startTestServer({ log });
});
after(() => server.stop());

const credentials = () => ({ ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });

function session(): ClientHttp2Session {
  const made = connect(server.url, credentials());
  made.on('error', () => {});
  return made;
}

async function socket(): Promise<TLSSocket> {
  const made = connectTls({ host: '127.0.0.1', port: Number(new URL(server.url).port), ...credentials() });
  made.on('error', () => {});
  await once(made, 'secureConnect');
  return made;
}

/** That others are answered, and soon. */
async function othersAreServed(): Promise<void> {
  const began = performance.now();
  assert.equal((await ask(server, `${configMaps}?limit=1`)).code, 200);
  const took = performance.now() - began;
  assert.ok(took < 3000, `${took} ms`);
}

async function send(method: string, path: string, body: Uint8Array | string, headers: object = {}) {
  const made = session();
  const stream = made.request({ ':method': method, ':path': path, 'content-type': 'application/json', ...headers });
  let text = '';
  let code = 0;
  stream.on('response', head => {
    code = Number(head[':status']);
  });
  stream.setEncoding('utf8');
  stream.on('data', piece => {
    text += piece;
  });
  stream.end(body);
  await once(stream, 'close');
  made.destroy();
  return { code, text, status: JSON.parse(text) as { reason: string; message: string } };
}

test('streams begun and reset as fast as can be cost their connection', async () => {
  const flooding = session();
  await once(flooding, 'connect');
  let sent = 0;
  for (; sent < 20_000 && !flooding.destroyed; sent++) {
    const stream = flooding.request({ ':path': configMaps });
    stream.on('error', () => {});
    stream.close(8);
    if (sent % 100 === 0) {
      await new Promise(setImmediate);
      if (sent % 1000 === 0) await othersAreServed();
    }
  }
  assert.ok(flooding.destroyed && sent < 20_000, `${sent} resets were taken`);
  await othersAreServed();
  assert.deepEqual(lines.splice(0), []);
});

test('readers that do not read and writers that do not write keep nobody waiting', async () => {
  for (let i = 0; i < 20; i++)
    await ask(server, configMaps, {
      method: 'POST',
      body: { metadata: { name: `large-${i}` }, data: { a: 'x'.repeat(200_000) } },
    });
  const beforeBytes = process.memoryUsage().rss;
  const idle: TLSSocket[] = [];
  for (let i = 0; i < 40; i++) {
    const one = await socket();
    one.pause();
    one.write(
      i % 2
        ? `GET ${configMaps} HTTP/1.1\r\nhost: x\r\n\r\n`
        : `POST ${configMaps} HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n{`,
    );
    idle.push(one);
  }
  await othersAreServed();
  // Twenty answers of 4 MB share the bytes of their objects.
  const grown = (process.memoryUsage().rss - beforeBytes) / 2 ** 20;
  assert.ok(grown < 200, `${grown} MiB`);
  for (const one of idle) one.destroy();
  await othersAreServed();
  assert.deepEqual(lines.splice(0), []);
});

test('a compressed body is not unpacked', async () => {
  const bomb = gzipSync(Buffer.alloc(50 << 20));
  const { code, status } = await send('POST', configMaps, bomb, { 'content-encoding': 'gzip' });
  assert.deepEqual([code, status.reason], [400, 'BadRequest']);
});

test('patches that grow, and patches without end, are too large', async () => {
  await ask(server, configMaps, { method: 'POST', body: { metadata: { name: 'p' }, data: { a: 'b' } } });
  const patch = (operations: readonly object[]) =>
    send('PATCH', `${configMaps}/p`, JSON.stringify(operations), { 'content-type': 'application/json-patch+json' });
  const doubling = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/x${i}` }));
  const grown = await patch([{ op: 'add', path: '/data/a', value: 'x'.repeat(1000) }, ...doubling]);
  assert.deepEqual([grown.code, grown.status.reason], [413, 'RequestEntityTooLarge']);
  const many = await patch(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data/a', value: 'b' })));
  assert.equal(many.code, 413);
  assert.match(many.status.message, /The allowed maximum operations in a JSON patch is 10000, got 10001/);
});

test('whole numbers are kept to the last digit, and refused past 64 bits, in kinds of Kubernetes', async () => {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  const body = JSON.stringify({ metadata: { name: 'n' }, spec: { template, activeDeadlineSeconds: 7 } });
  const create = (digits: string) =>
    send('POST', '/apis/batch/v1/namespaces/default/jobs?dryRun=All', body.replace(':7', `:${digits}`));
  const kept = await create('9007199254740993');
  assert.equal(kept.code, 201);
  assert.match(kept.text, /"activeDeadlineSeconds":9007199254740993[,}]/);
  const wide = await create('9223372036854775808');
  assert.equal(wide.code, 400);
  assert.match(wide.status.message, /cannot unmarshal number 9223372036854775808 .* of type int64/);
});

test('a pattern that would backtrack forever is answered at once', async () => {
  const properties = { t: { type: 'string', pattern: '^(a+)+$' } };
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
  };
  const names = { plural: 'slows', kind: 'Slow' };
  const body = {
    metadata: { name: 'slows.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] },
  };
  await ask(server, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { method: 'POST', body });
  const path = '/apis/example.com/v1/namespaces/default/slows';
  const object = { apiVersion: 'example.com/v1', kind: 'Slow', metadata: { name: 's' } };
  let code = 404;
  const began = performance.now();
  const post = async () =>
    (await ask(server, path, { method: 'POST', body: { ...object, spec: { t: `${'a'.repeat(50_000)}b` } } })).code;
  while (code === 404 && performance.now() - began < 10_000) code = await post();
  assert.equal(code, 422);
  const again = performance.now();
  await post();
  assert.ok(performance.now() - again < 3000);
});
