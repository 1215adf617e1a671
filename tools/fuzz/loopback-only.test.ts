import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { loopbackOnly } from './loopback-only.ts';

// This address is the machine itself, by another name than the guard lets pass.
const other = '0.0.0.0';
const refused = /only loopback is reached here/;

test('a guarded process reaches loopback and nothing else', async () => {
  const server = createServer(socket => void socket.end('here'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const failure = async (socket: { once(event: 'error', listener: (error: Error) => void): unknown }) =>
    await new Promise<string>(resolve => socket.once('error', error => resolve(error.message)));
  const read = async (socket: Socket) => String((await once(socket, 'data'))[0]);
  const undo = loopbackOnly();
  try {
    assert.equal(await read(connect(port, '127.0.0.1')), 'here');
    assert.equal(await read(connect({ port, host: 'localhost' })), 'here');
    assert.match(await failure(connect(port, other)), refused);
    assert.match(await failure(connect({ port, host: other })), refused);
    assert.match(await failure(request({ port, host: other })), refused);
    assert.match(await failure(connectHttp2(`https://${other}:${port}`)), refused);
  } finally {
    undo();
  }
  assert.equal(await read(connect(port, other)), 'here');
  server.close();
});
