import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp1 } from 'node:http';
import {
  type ClientHttp2Stream,
  connect as connectHttp2,
  createServer as createHttp2,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { test } from 'node:test';
import { type Exchange, Http1Exchange, Http2Exchange } from './exchange.ts';
import { PeerIdentity } from './peer.ts';

const nobody = new PeerIdentity(undefined);
const whole = '0123456789';

/** Answers with the body, or with why there is none. */
async function echo(exchange: Exchange): Promise<void> {
  try {
    exchange.respond(200, {}, await exchange.readBody(100));
  } catch (error) {
    const { code, message } = error as { code: number; message: string };
    exchange.respond(code, {}, message);
  }
}

function impatient<T extends Http1Exchange | Http2Exchange>(exchange: T): T {
  exchange.stalledMs = 30;
  return exchange;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const silent = 'Timeout: request did not complete within requested timeout';

test('HTTP/1.1: a body that stops in the middle is given up', async () => {
  const server = createHttp1((request, response) => void echo(impatient(new Http1Exchange(request, response, nobody))));
  const port = await listening(server);
  const ask = async (body: string) => {
    const socket = connect(port, '127.0.0.1');
    socket.setEncoding('utf8');
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\n${body}`);
    return (await socket.toArray()).join('');
  };
  assert.ok((await ask(whole)).endsWith(whole));
  const half = await ask('01234');
  assert.match(half, /^HTTP\/1\.1 504 /);
  assert.ok(half.endsWith(silent), half);
  server.close();
});

test('HTTP/2: only the stream that stops is given up', async () => {
  const server = createHttp2();
  server.on(
    'stream',
    (stream: ServerHttp2Stream, headers) => void echo(impatient(new Http2Exchange(stream, headers, nobody, []))),
  );
  const port = await listening(server);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const ask = async (body: string, end: boolean) => {
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
    stream.setEncoding('utf8');
    if (end) stream.end(body);
    else stream.write(body);
    const [headers] = await once(stream, 'response');
    return [headers[':status'], (await stream.toArray()).join('')];
  };
  const half = ask('01234', false);
  assert.deepEqual(await ask(whole, true), [200, whole]);
  assert.deepEqual(await half, [504, silent]);
  assert.deepEqual(await ask(whole, true), [200, whole]);
  session.destroy();
  server.close();
});

test('HTTP/2: an answer without a body ends a stream on which more is sent than anybody reads', async () => {
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream, headers) =>
    new Http2Exchange(stream, headers, nobody, []).respond(405, {}),
  );
  const session = connectHttp2(`http://127.0.0.1:${await listening(server)}`);
  for (const method of ['HEAD', 'POST']) {
    const stream = session.request({ ':method': method, ':path': '/' }, { endStream: false });
    // Beyond the windows of the stream and of the session.
    stream.end(Buffer.alloc(2 << 20));
    stream.resume();
    await once(stream, 'close', { signal: AbortSignal.timeout(5000) });
  }
  session.close();
  server.close();
});

test('an answer that has begun and is refused then is cut off', async () => {
  const fail = (exchange: Exchange) => {
    exchange.open(200, {}).write('{"items":[');
    exchange.respond(500, {}, 'no');
  };
  const two = createHttp2();
  two.on('stream', (stream: ServerHttp2Stream, headers) => fail(new Http2Exchange(stream, headers, nobody, [])));
  const session = connectHttp2(`http://127.0.0.1:${await listening(two)}`);
  const stream = session.request({ ':path': '/' });
  await assert.rejects(stream.toArray(), /NGHTTP2_INTERNAL_ERROR/);
  session.close();
  two.close();
  const one = createHttp1((request, response) => fail(new Http1Exchange(request, response, nobody)));
  const { body } = await fetch(`http://127.0.0.1:${await listening(one)}`).catch(() => ({ body: undefined }));
  if (body) await assert.rejects(Array.fromAsync(body), /terminated/);
  one.close();
});

test('what follows an answer goes nowhere', async () => {
  const twice = (exchange: Exchange) => {
    exchange.respond(504, {}, 'late');
    exchange.respond(200, {}, 'no');
    const out = exchange.open(200, {});
    out.write('{"items":[');
    out.end();
    assert.equal(exchange.sentCode, 504);
  };
  const two = createHttp2();
  two.on('stream', (stream: ServerHttp2Stream, headers) => twice(new Http2Exchange(stream, headers, nobody, [])));
  const session = connectHttp2(`http://127.0.0.1:${await listening(two)}`);
  assert.equal((await session.request({ ':path': '/' }).setEncoding('utf8').toArray()).join(''), 'late');
  session.close();
  two.close();
  const one = createHttp1((request, response) => twice(new Http1Exchange(request, response, nobody)));
  const answer = await fetch(`http://127.0.0.1:${await listening(one)}`);
  assert.deepEqual([answer.status, await answer.text()], [504, 'late']);
  one.close();
});

test('a body that is there at once needs no timer', async () => {
  const server = createHttp2();
  const timers: number[] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const set = stream.setTimeout.bind(stream);
    stream.setTimeout = (ms, then) => {
      if (ms > 0) timers.push(ms);
      return set(ms, then);
    };
    void echo(new Http2Exchange(stream, headers, nobody, []));
  });
  const session = connectHttp2(`http://127.0.0.1:${await listening(server)}`);
  const ask = async (send: (stream: ClientHttp2Stream) => void) => {
    const stream = session.request({ ':method': 'POST', ':path': '/' }).setEncoding('utf8');
    send(stream);
    return (await stream.toArray()).join('');
  };
  assert.equal(await ask(stream => stream.end(whole)), whole);
  assert.deepEqual(timers, []);
  const slow = ask(stream => {
    stream.write('01234');
    setTimeout(() => stream.end('56789'), 20);
  });
  assert.equal(await slow, whole);
  assert.deepEqual(timers, [60_000]);
  session.close();
  server.close();
});
