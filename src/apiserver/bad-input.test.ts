// What clients send that they must not: each gets its status and a message, and the server goes on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { createCa, issueCertificate } from '../base/x509.ts';
import { ask } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';
const json = 'application/json';

// Ahead of the machine's by as much as a test wants.
let aheadMs = 0;
const clock: Clock = {
  now: () => systemClock.now() + aheadMs,
  monotonic: () => systemClock.monotonic(),
  after: (ms, fn) => systemClock.after(ms, fn),
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};
let server: TestServer;

before(async () => {
  server = await startTestServer({ clock });
});
after(() => server.stop());

/** A request with exactly these bytes, over HTTP/2. */
function send(method: string, path: string, body?: string | Uint8Array, type = json, more: object = {}) {
  const session = connectHttp2(server.url, {
    ca: server.ca,
    cert: server.admin.certificatePem,
    key: server.admin.keyPem,
    ...more,
  });
  session.on('error', () => {});
  return new Promise<{ code: number; status: any; warnings: string }>((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, 'content-type': type });
    let code = 0;
    let warnings = '';
    let text = '';
    stream.on('response', headers => {
      code = Number(headers[':status']);
      warnings = String(headers.warning ?? '');
    });
    stream.setEncoding('utf8');
    stream.on('data', chunk => {
      text += chunk;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve({ code, status: text.startsWith('{') ? JSON.parse(text) : text, warnings });
    });
    stream.end(body);
  });
}

/** A TLS connection for bytes of the test's own. */
async function open(credentials: object = { cert: server.admin.certificatePem, key: server.admin.keyPem }) {
  const socket = connectTls({
    port: Number(new URL(server.url).port),
    host: '127.0.0.1',
    ca: server.ca,
    ...credentials,
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything the server says until it closes, however it does, or `end` has come. */
function readUntil(socket: TLSSocket, end?: RegExp): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    socket.on('data', chunk => {
      text += chunk;
      if (end?.test(text)) resolve(text);
    });
    socket.on('close', () => resolve(text));
  });
}

const configMap = (name: unknown, more: object = {}) => JSON.stringify({ metadata: { name }, ...more });

describe('bodies', () => {
  const unrecognized = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; ";
  const handled = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: ';
  const cases: [name: string, body: string | Uint8Array, type: string, code: number, message: string | RegExp][] = [
    [
      'cut JSON',
      '{"metadata":{"name":"a"',
      json,
      400,
      `${unrecognized}json parse error: unexpected end of JSON input ({"metadata":{"name":"a")`,
    ],
    ['broken JSON', '{"metadata":a}', json, 400, /invalid character 'a' looking for beginning of value/],
    ['nothing', '', json, 400, /unexpected end of JSON input \(<empty>\)/],
    ['null', 'null', json, 422, /metadata\.name: Required value: name or generateName is required$/],
    ['a list', '[]', json, 400, /cannot unmarshal array/],
    ['no UTF-8', Buffer.from([0x7b, 0xff]), json, 400, /invalid character 'ÿ' looking for beginning of object key/],
    ['no UTF-8 in YAML', Buffer.from([0xff]), 'application/yaml', 400, /yaml: invalid leading UTF-8 octet \(ff\)$/],
    ['too deep', `{"data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, json, 400, /exceeded max depth/],
    [
      'broken YAML',
      'a: [1',
      'application/yaml',
      400,
      /^the object provided is unrecognized \(must be of type ConfigMap\): yaml: .* at line 1, column 6 \(613a205b31\)$/,
    ],
    ['YAML with tabs', 'metadata:\n\tname: x', 'application/yaml', 400, /at line 2/],
    ['broken protobuf', 'k8s\0rubbish', 'application/vnd.kubernetes.protobuf', 400, /proto|EOF/],
    ['no protobuf', 'rubbish', 'application/vnd.kubernetes.protobuf', 400, /expected prefix \[107 56 115 0\]/],
    ['another type', '{}', 'text/html', 415, /accepted media types include: application\/json, application\/yaml/],
    [
      'a number for a text',
      configMap('w', { data: { a: 1 } }),
      json,
      400,
      `${handled}json: cannot unmarshal number into Go struct field ConfigMap.data of type string`,
    ],
    ['a number for a name', configMap(7), json, 400, /Go struct field ObjectMeta\.metadata\.name of type string/],
    [
      'another kind',
      JSON.stringify({ kind: 'Pod' }),
      json,
      400,
      /: converting \(v1\.Pod\) to \(core\.ConfigMap\): unknown/,
    ],
    [
      'more than 1 MiB of data',
      configMap('big', { data: { a: 'x'.repeat(1500 << 10) } }),
      json,
      422,
      'ConfigMap "big" is invalid: []: Too long: may not be more than 1048576 bytes',
    ],
  ];
  for (const [name, body, type, code, message] of cases)
    test(name, async () => {
      const { code: got, status } = await send('POST', configMaps, body, type);
      assert.equal(got, code, JSON.stringify(status));
      assert.equal(status.kind, 'Status');
      if (typeof message === 'string') assert.equal(status.message, message);
      else assert.match(status.message, message);
    });

  test('an alias bomb in YAML', async () => {
    const rows = 'abcdefgh'.split('').map((c, i) => {
      const before = i === 0 ? '1' : `*${'abcdefgh'[i - 1]}`;
      return `${c}: &${c} [${Array(9).fill(before).join(',')}]`;
    });
    const { code, status } = await send('POST', configMaps, rows.join('\n'), 'application/yaml');
    assert.deepEqual([code, /alias/.test(status.message)], [400, true]);
  });

  test('unknown and duplicate fields: ignored, warned of, refused', async () => {
    const body = '{"metadata":{"name":"u","labelz":{}},"dataa":{},"data":{"a":"1"},"data":{"a":"2"}}';
    const with_ = (validation: string) => send('POST', `${configMaps}?dryRun=All&fieldValidation=${validation}`, body);
    const [ignored, warned, refused, nonsense] = await Promise.all(['Ignore', 'Warn', 'Strict', 'Odd'].map(with_));
    assert.deepEqual([ignored!.code, ignored!.warnings], [201, '']);
    assert.equal(warned!.code, 201);
    for (const field of ['metadata.labelz', 'dataa']) assert.ok(warned!.warnings.includes(`unknown field \\"${field}`));
    assert.ok(warned!.warnings.includes('duplicate field'));
    assert.equal(refused!.code, 400);
    assert.match(
      refused!.status.message,
      /strict decoding error: unknown field "metadata.labelz", unknown field "dataa"/,
    );
    assert.equal(nonsense!.code, 422);
  });

  test('over 3 MiB: 413, told beforehand or not, and the connection lives', async () => {
    const body = configMap('big', { data: { a: 'x'.repeat(4 << 20) } });
    const declared = await send('POST', configMaps, body);
    assert.deepEqual([declared.code, declared.status.reason], [413, 'RequestEntityTooLarge']);
    assert.match(declared.status.message, /limit is 3145728/);
    const socket = await open();
    socket.write(
      `POST ${configMaps} HTTP/1.1\r\nhost: x\r\ncontent-type: ${json}\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    const piece = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let i = 0; i < 64; i++) socket.write(piece);
    assert.match(await readUntil(socket, /limit is/), /^HTTP\/1\.1 413 /);
    socket.destroy();
  });
});

describe('names and paths', () => {
  test('absurd names are refused by their field', async () => {
    const absurd = ['a'.repeat(254), 'A', '..', 'a/b', 'ü', ' ', 'a\0b', '-a', '$(x)', '__proto__', ''];
    for (const name of absurd) {
      const { code, status } = await send('POST', configMaps, configMap(name));
      assert.deepEqual([code, status.details.causes[0].field], [422, 'metadata.name'], name);
    }
  });

  test('names that JavaScript knows are names like others', async () => {
    for (const name of ['constructor', 'tostring', 'hasownproperty']) {
      assert.equal((await send('POST', configMaps, configMap(name))).code, 201);
      assert.equal((await send('GET', `${configMaps}/${name}`)).code, 200);
    }
    for (const name of ['__proto__', 'toString', '%00', '%ff', '..%2f..', 'a'.repeat(5000)]) {
      const { code, status } = await send('GET', `${configMaps}/${name}`);
      assert.deepEqual([code, status.reason], [404, 'NotFound'], name);
    }
    await assert.rejects(send('GET', `${configMaps}/%zz`), { code: 'ERR_HTTP2_STREAM_ERROR' });
    const patch = '{"__proto__":{"polluted":1},"data":{"__proto__":"x"}}';
    await send('PATCH', `${configMaps}/constructor`, patch, 'application/merge-patch+json');
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  test('paths that lead nowhere, methods that fit nothing', async () => {
    for (const path of ['/api/v9/pods', '/apis/none/v1/x', '/apis/__proto__/v1/x', '//', `${configMaps}/a/b/c`])
      assert.equal((await send('GET', path)).code, 404, path);
    for (const [method, path] of [
      ['PUT', '/api/v1/nodes'],
      ['PATCH', '/api/v1/nodes'],
      ['POST', `${configMaps}/a`],
      ['OPTIONS', '/api/v1/nodes'],
      ['LINK', '/api/v1/nodes'],
    ] as const) {
      const { code, status } = await send(method, path, method === 'OPTIONS' ? undefined : '{}');
      assert.deepEqual([code, status.reason], [405, 'MethodNotAllowed'], method);
    }
  });

  test('parameters that cannot be read', async () => {
    const cases: [query: string, message: RegExp][] = [
      ['limit=x', /limit|ParseInt/],
      ['resourceVersion=x', /resourceVersion/],
      ['labelSelector=a%20b%20c', /unable to parse requirement/],
      ['fieldSelector=a', /invalid selector: 'a'/],
      ['fieldSelector=x%3Dy', /"x" is not a known field selector/],
      ['continue=abc', /continue key is not valid/],
      ['timeoutSeconds=x', /parsing "x": invalid syntax/],
      ['watch=true&timeoutSeconds=x', /parsing "x": invalid syntax/],
    ];
    for (const [query, message] of cases) {
      const { code, status } = await send('GET', `${configMaps}?${query}`);
      assert.equal(code, 400, query);
      assert.match(status.message, message);
    }
  });
});

describe('connections', () => {
  test('half a head, half a body, rubbish, plain HTTP: closed without a trace', async () => {
    const port = Number(new URL(server.url).port);
    for (const bytes of ['GET / HTTP/1.1\r\nhost: x\r\n\r\n', Buffer.alloc(2000, 0xff), '']) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.end(bytes);
      socket.resume();
      await once(socket, 'close');
    }
    const head = await open();
    head.end('GET /readyz HTT');
    assert.match(await readUntil(head), /^(HTTP\/1\.1 400 |$)/);
    const body = await open();
    body.end(`POST ${configMaps} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"metadata":`);
    assert.match(await readUntil(body), /^(HTTP\/1\.1 400 |$)/);
    const long = await open();
    long.write(`GET /${'a'.repeat(2 << 20)} HTTP/1.1\r\n`);
    assert.match(await readUntil(long), /^(HTTP\/1\.1 431 |$)/);
    const frames = connectHttp2(server.url, { ca: server.ca });
    frames.on('error', () => {});
    await once(frames, 'connect');
    const half = frames.request({ ':method': 'POST', ':path': configMaps, 'content-type': json });
    half.on('error', () => {});
    half.write('{"metadata":');
    frames.destroy();
    assert.equal((await ask(server, '/readyz')).code, 200);
    assert.equal((await ask(server, `${configMaps}/half`)).code, 404);
  });

  test('an upgrade behind a request that is not answered yet ends the connection only', async () => {
    const socket = await open();
    const head = (path: string, more: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
    const upgrade = 'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n';
    socket.write(head(`${configMaps}?watch=true`, '') + head('/version', upgrade));
    await readUntil(socket);
    assert.equal((await ask(server, '/readyz')).code, 200);
  });

  test('a watcher that never reads is cut off, and nobody else notices', async () => {
    const path = `${configMaps}?watch=true&fieldSelector=metadata.name%3Dlarge`;
    const deaf = await open();
    deaf.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await once(deaf, 'readable');
    deaf.pause();
    const session = connectHttp2(server.url, {
      ca: server.ca,
      cert: server.admin.certificatePem,
      key: server.admin.keyPem,
    });
    const reader = session.request({ ':path': path });
    let seen = 0;
    reader.setEncoding('utf8');
    reader.on('data', (text: string) => {
      seen += text.split('\n').length - 1;
    });
    await once(reader, 'response');
    const closed = once(deaf, 'close');
    const client = server.server.client({ userAgent: 'test' });
    const { coreV1 } = await import('../api/refs.ts');
    const metadata = { namespace: 'default', name: 'large' };
    await client.create(coreV1.configmaps, { metadata });
    // More than any buffer on the way and than a burst may be.
    const writes = 48;
    for (let i = 1; i <= writes; i++) {
      await client.update(coreV1.configmaps, { metadata, data: { a: `${i}`.padEnd(1_000_000) } });
      while (seen <= i) await once(reader, 'data');
    }
    deaf.resume();
    await closed;
    assert.match(
      await server.server.metrics.text(),
      /\napiserver_terminated_watchers_total\{group="",resource="configmaps"\} 1\n/,
    );
    assert.equal((await ask(server, '/readyz')).code, 200);
    session.destroy();
  });
});

describe('credentials', () => {
  const days = 86_400_000;

  async function identify(credentials: object): Promise<[code: number, message: string]> {
    const { code, status } = await send('GET', configMaps, undefined, json, credentials);
    return [code, status.message];
  }

  test('certificates of another CA, and expired ones', async () => {
    const making = { nowMs: clock.now(), random: systemRandom, days: 1 };
    const stranger = await createCa({ commonName: 'test-ca', ...making });
    const other = await issueCertificate(stranger, {
      subject: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
      dnsNames: [],
      ipAddresses: [],
      usages: 'client',
      ...making,
    });
    const unauthorized = [401, 'Unauthorized'];
    assert.deepEqual(await identify({ cert: other.certificatePem, key: other.keyPem }), unauthorized);
    assert.deepEqual((await identify({}))[0], 200);
    aheadMs = 2 * days;
    try {
      assert.deepEqual(await identify({}), unauthorized);
    } finally {
      aheadMs = 0;
    }
  });

  test('tokens: none, made up, expired', async () => {
    const anonymous = { ca: server.ca, cert: undefined, key: undefined };
    assert.equal((await identify(anonymous))[0], 401);
    await send('POST', '/api/v1/namespaces/default/serviceaccounts', configMap('robot'));
    const request = JSON.stringify({ spec: { audiences: [], expirationSeconds: 600 } });
    const made = await send('POST', '/api/v1/namespaces/default/serviceaccounts/robot/token', request);
    assert.equal(made.code, 201);
    const withToken = async (token: string) => {
      const socket = await open({});
      socket.write(
        `GET ${configMaps} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n\r\n`,
      );
      return Number((await readUntil(socket)).split(' ')[1]);
    };
    const { token } = made.status.status;
    assert.equal(await withToken(token), 403);
    assert.equal(await withToken('made.up.token'), 401);
    assert.equal(await withToken('x'.repeat(100_000)), 401);
    aheadMs = 3_600_000;
    try {
      assert.equal(await withToken(token), 401);
    } finally {
      aheadMs = 0;
    }
  });
});
