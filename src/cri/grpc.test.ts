import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { settle, systemClock, VirtualClock } from '../base/clock.ts';
import { GrpcChannel, type Method } from './grpc.ts';
import { compileMessages } from './protobuf.ts';
import { isRuntimeError, RuntimeError } from './runtime-error.ts';

interface Text {
  text: string;
}
const codec = compileMessages({ Text: { fields: { text: { type: 'string', id: 1 } } } })<Text>('Text');
const echo: Method<Text, Text> = { name: 'Echo', path: '/test.Test/Echo', request: codec, response: codec };

let directory: string;
let socket: string;
let server: Http2Server | undefined;
let channel: GrpcChannel | undefined;
const sessions = new Set<ServerHttp2Session>();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-grpc-'));
  socket = join(directory, 's');
});
afterEach(async () => {
  channel?.close();
  await stopServer();
  rmSync(directory, { recursive: true, force: true });
});

const message = (text: string) => {
  const body = codec.encode({ text });
  return Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
};

function serve(answer: (stream: ServerHttp2Stream, request: Text) => void): Promise<void> {
  const own = createServer();
  server = own;
  own.on('session', session => sessions.add(session));
  own.on('stream', (stream: ServerHttp2Stream) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => answer(stream, codec.decode(Buffer.concat(chunks).subarray(5))));
  });
  return new Promise(resolve => own.listen(socket, resolve));
}

async function stopServer(): Promise<void> {
  for (const session of sessions) session.destroy();
  sessions.clear();
  await new Promise<void>(resolve => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
}

function reply(stream: ServerHttp2Stream, parts: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const part of parts) stream.write(part);
  stream.end();
}

test('a call returns its message, however it is cut up', async () => {
  await serve((stream, { text }) =>
    reply(
      stream,
      [...message(text)].map(b => Buffer.from([b])),
      { 'grpc-status': '0' },
    ),
  );
  channel = new GrpcChannel(socket, systemClock);
  assert.deepEqual(await channel.unary(echo, { text: 'grüße' }, undefined, 0), { text: 'grüße' });
  const many = await Promise.all(Array.from({ length: 50 }, (_, i) => channel!.unary(echo, { text: `${i}` }, {}, 0)));
  assert.deepEqual(
    many.map(m => m.text),
    Array.from({ length: 50 }, (_, i) => `${i}`),
  );
});

test('a failure carries code and text, from trailers or from the only headers', async () => {
  const failure = { 'grpc-status': '5', 'grpc-message': 'no %22gr%C3%BC%C3%9Fe%22: 100%' };
  await serve((stream, { text }) => {
    if (text === 'trailers') reply(stream, [], { ...failure, 'grpc-message': 'no %22x%22' });
    else stream.respond({ ':status': 200, ...failure }, { endStream: true });
  });
  channel = new GrpcChannel(socket, systemClock);
  for (const [text, details] of [
    ['trailers', 'no "x"'],
    ['headers', 'no "grüße": 100%'],
  ] as const)
    await assert.rejects(
      channel.unary(echo, { text }, undefined, 0),
      (error: RuntimeError) =>
        error instanceof RuntimeError &&
        error.message === `rpc error: code = NotFound desc = ${details}` &&
        error.code === 5 &&
        error.method === 'Echo',
    );
});

test('a stream hands over each message and ends with the server', async () => {
  const all = Buffer.concat([message('a'), message('b'), message('c')]);
  await serve(stream => reply(stream, [all.subarray(0, 7), all.subarray(7)], { 'grpc-status': '0' }));
  channel = new GrpcChannel(socket, systemClock);
  const seen: string[] = [];
  await channel.serverStream(echo, { text: '' }, {}, m => seen.push(m.text));
  assert.deepEqual(seen, ['a', 'b', 'c']);
});

test('time limit and signal end a call that is not answered', async () => {
  let asked = 0;
  await serve(() => asked++);
  const clock = new VirtualClock();
  channel = new GrpcChannel(socket, clock);
  const limited = channel.unary(echo, { text: '' }, { timeoutMs: 500 }, 0);
  limited.catch(() => {});
  await clock.advance(500);
  await assert.rejects(limited, e => isRuntimeError(e, 'DeadlineExceeded'));
  const stop = new AbortController();
  const aborted = channel.unary(echo, { text: '' }, { signal: stop.signal }, 0);
  const stream = channel.serverStream(echo, { text: '' }, { signal: stop.signal }, () => {});
  while (asked < 2) await settle();
  stop.abort();
  await assert.rejects(aborted, e => isRuntimeError(e, 'Canceled'));
  await stream;
  await assert.rejects(channel.unary(echo, { text: '' }, { signal: stop.signal }, 0), e =>
    isRuntimeError(e, 'Canceled'),
  );
});

test('without a server calls are unavailable; with one back they work again', async () => {
  channel = new GrpcChannel(socket, systemClock);
  const call = () => channel!.unary(echo, { text: 'x' }, undefined, 0);
  await assert.rejects(call(), e => isRuntimeError(e, 'Unavailable') && /ENOENT/.test((e as Error).message));
  await serve((stream, { text }) => reply(stream, [message(text)], { 'grpc-status': '0' }));
  assert.equal((await call()).text, 'x');
  await stopServer();
  await assert.rejects(call(), e => isRuntimeError(e, 'Unavailable'));
  let asked = 0;
  await serve(() => asked++);
  const cut = call();
  cut.catch(() => {});
  while (asked < 1) await settle();
  await stopServer();
  await assert.rejects(cut, e => isRuntimeError(e, 'Unavailable'));
  channel.close();
  await assert.rejects(call(), e => isRuntimeError(e, 'Canceled'));
});
