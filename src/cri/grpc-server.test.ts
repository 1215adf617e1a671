import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { GrpcChannel } from './grpc.ts';
import { type GrpcServer, serveGrpc } from './grpc-server.ts';
import { grpcClient, serviceMethods } from './grpc-service.ts';
import { RuntimeError } from './runtime-error.ts';

interface Text {
  readonly text: string;
}
interface Echo {
  Say(request: Text): Promise<Text>;
  Count(request: Text, options: object, onMessage: (message: Text) => void): Promise<void>;
  Missing(request: Text): Promise<Text>;
}
const one = { requestType: 'Text', responseType: 'Text' };
const methods = serviceMethods(
  'test',
  {
    Text: { fields: { text: { type: 'string', id: 1 } } },
    Echo: { methods: { Say: one, Count: { ...one, responseStream: true }, Missing: one } },
  },
  ['Echo'],
);

let directory: string;
let server: GrpcServer;
let channel: GrpcChannel;
let echo: Echo;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'k8ts-grpc-server-'));
  // Longer than a socket's address can be.
  const deep = join(directory, 'x'.repeat(60), 'y'.repeat(60));
  mkdirSync(deep, { recursive: true });
  server = await serveGrpc(join(deep, 's.sock'), methods, {
    Say({ text }: Text) {
      if (text === 'fail') throw new RuntimeError('', 'NotFound', '100% gone: é\n');
      if (text === 'break') throw new Error('broken');
      return { text: text.toUpperCase() };
    },
    async Count({ text }: Text, send: (message: Text) => void) {
      for (let i = 0; i < Number(text); i++) send({ text: String(i) });
      if (text === '2') throw new RuntimeError('', 'Aborted', 'enough');
    },
  });
  channel = new GrpcChannel(server.socket, systemClock);
  echo = grpcClient<Echo>(channel, methods, 5000);
});
afterEach(async () => {
  channel.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

test('answers, in a directory whose name is too long for a socket', async () => {
  assert.deepEqual(await echo.Say({ text: 'a'.repeat(100_000) }), { text: 'A'.repeat(100_000) });
  await server.close();
  assert.ok(!existsSync(server.socket), 'it takes its socket away');
});

test('says what went wrong, in gRPC’s words', async () => {
  await assert.rejects(echo.Say({ text: 'fail' }), /^RuntimeError: rpc error: code = NotFound desc = 100% gone: é\n$/);
  await assert.rejects(echo.Say({ text: 'break' }), /code = Unknown desc = broken$/);
  await assert.rejects(echo.Missing({ text: '' }), /code = Unimplemented desc = unknown method \/test.Echo\/Missing$/);
});

test('streams what it has, and then how it ended', async () => {
  const seen: string[] = [];
  await echo.Count({ text: '3' }, {}, m => seen.push(m.text));
  assert.deepEqual(seen, ['0', '1', '2']);
  await assert.rejects(
    echo.Count({ text: '2' }, {}, m => seen.push(m.text)),
    /code = Aborted desc = enough/,
  );
  assert.equal(seen.length, 5);
});
