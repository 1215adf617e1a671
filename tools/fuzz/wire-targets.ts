// Bytes that are almost HTTP/1.1 and almost HTTP/2, on connections of their own.
import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Chance, oddTexts } from './chance.ts';
import type { FuzzedServer } from './fuzzed-server.ts';
import { crossTexts, mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';

// Of a connection on which nothing more comes.
const silentMs = 50;

async function open(server: FuzzedServer, protocol: string): Promise<TLSSocket> {
  const { url, ca, admin } = await server.start();
  const socket = connectTls({
    ...{ host: '127.0.0.1', port: Number(new URL(url).port), ca },
    ...{ cert: admin.certificatePem, key: admin.keyPem, ALPNProtocols: [protocol] },
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends the pieces and hears out the other side. Resolves with what it said. */
async function talk(socket: TLSSocket, pieces: readonly Uint8Array[]): Promise<string> {
  let text = '';
  const done = new Promise<void>(resolve => {
    let timer = setTimeout(resolve, silentMs);
    socket.on('data', (chunk: Buffer) => {
      if (text.length < 4000) text += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(resolve, silentMs);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  for (const piece of pieces) socket.write(piece);
  await done;
  socket.destroy();
  return text;
}

const requests = [
  'GET /api/v1/namespaces/default/configmaps?limit=1 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n',
  'POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{"metadata":{"generateName":"fuzz"}}',
  'POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
  'GET /version HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  'GET /api/v1/namespaces/default/pods/x/exec?command=ls HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n',
  'PATCH /api/v1/namespaces/default/configmaps/a HTTP/1.0\r\nContent-Type: application/merge-patch+json\r\nContent-Length: 2\r\n\r\n{}',
  'DELETE /api/v1/namespaces/default/configmaps/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Encoding: gzip\r\n\r\n',
];
const words = [
  ...[
    '\r\n',
    '\n',
    '\r',
    ' ',
    ': ',
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    'HTTP/9.9',
    '\0',
    '0\r\n\r\n',
  ],
  ...['Connection: close\r\n', 'Host: \r\n', 'ffffffffffffffff\r\n', '-1\r\n', 'Upgrade: h2c\r\n', '%', '?', '#', '//'],
  ...[
    'Authorization: Bearer x\r\n',
    'Impersonate-User: \xff\r\n',
    'Accept: ;;;q=\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ],
];

const http1 = (server: FuzzedServer): Target => ({
  name: 'http1',
  weight: 2,
  async run(c, note) {
    let text = '';
    for (let i = c.below(3); i >= 0; i--) text += crossTexts(c, requests, words);
    note(text);
    const heard = await talk(await open(server, 'http/1.1'), cut(c, Buffer.from(text, 'latin1')));
    const code = /^HTTP\/1\.[01] (\d+)/.exec(heard)?.[1];
    if (code === '500' || code === '502') throw new Error(`answered ${heard.slice(0, 500)}`);
    const [error] = server.errors.splice(0);
    if (error) throw new Error(`logged: ${error}`);
  },
  check: () => server.check(),
  close: () => server.close(),
});

function cut(c: Chance, bytes: Buffer): Buffer[] {
  const at = c.below(bytes.length + 1);
  return c.once(2) ? [bytes] : [bytes.subarray(0, at), bytes.subarray(at)];
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, body: Uint8Array, length = body.length): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, body]);
}

/** A header block without compression: literal fields with literal names. */
function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value).subarray(0, 100);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  };
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}

function someFrame(c: Chance, stream: number): Buffer {
  const block = headerBlock([
    [':method', c.pick(['GET', 'POST', 'PATCH', 'CONNECT', ''])],
    [':scheme', 'https'],
    [':path', c.once(4) ? c.pick(oddTexts) : '/api/v1/namespaces/default/configmaps'],
    [':authority', 'x'],
    ['content-type', 'application/json'],
    ...(c.once(4) ? ([[c.pick(['connection', 'te', ':path', 'Upper', 'x']), c.pick(oddTexts)]] as const) : []),
  ]);
  const id = c.once(10) ? c.pick([0, 2, 2 ** 31 - 1, stream + 2]) : stream;
  switch (c.below(11)) {
    case 0:
    case 1:
    case 2:
      // END_HEADERS, now and then END_STREAM.
      return frame(1, c.once(2) ? 5 : 4, id, block);
    case 3:
      return frame(0, c.below(2), id, Buffer.from('{"metadata":{"generateName":"fuzz"}}'));
    case 4:
      return frame(3, 0, id, Buffer.from([0, 0, 0, c.below(16)]));
    case 5:
      return frame(4, 0, 0, Buffer.from([0, c.below(10), 0xff, 0xff, 0xff, c.below(256)]));
    case 6:
      return frame(6, 0, 0, Buffer.alloc(8));
    case 7:
      return frame(8, 0, id, Buffer.from([c.below(128), 0xff, 0xff, 0xff]));
    case 8:
      return frame(9, c.below(8), id, block);
    case 9:
      return frame(c.below(256), c.below(256), id, Buffer.alloc(c.below(64), c.below(256)));
    default:
      return frame(c.below(10), c.below(256), id, block, c.below(1 << 24));
  }
}

const http2 = (server: FuzzedServer): Target => ({
  name: 'http2',
  weight: 2,
  async run(c, note) {
    const frames: Buffer[] = [frame(4, 0, 0, Buffer.alloc(0))];
    let stream = 1;
    for (let i = c.below(30); i >= 0; i--) {
      frames.push(someFrame(c, stream));
      if (c.once(2)) stream += 2;
    }
    let bytes: Buffer = Buffer.concat(frames);
    if (c.once(3)) bytes = mutateBytes(c, bytes);
    note(bytes.toString('base64'));
    await talk(await open(server, 'h2'), [c.once(50) ? mutateBytes(c, preface) : preface, ...cut(c, bytes)]);
    const [error] = server.errors.splice(0);
    if (error) throw new Error(`logged: ${error}`);
  },
  check: () => server.check(),
  close: () => server.close(),
});

export const wireTargets = (server: FuzzedServer): readonly Target[] => [http1(server), http2(server)];
