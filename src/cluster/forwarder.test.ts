import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { forward } from './forwarder.ts';
import { portOf } from './supervisor/listener.ts';

async function listening(server: ReturnType<typeof createServer>) {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return portOf(server);
}

test('bytes go both ways, and half-closed connections still answer', async () => {
  // Answers only once the client has finished, as `nc` clients expect.
  const echo = createServer({ allowHalfOpen: true }, socket => {
    const parts: Buffer[] = [];
    socket.on('data', d => parts.push(d as Buffer)).on('end', () => socket.end(Buffer.concat(parts)));
  });
  const port = await listening(echo);
  const front = createServer();
  await listening(front);
  const close = forward(front, { host: '127.0.0.1', port }, silentLog);
  try {
    const sent = Buffer.alloc(1 << 20, 'x');
    const socket = connect({ port: portOf(front), host: '127.0.0.1', allowHalfOpen: true });
    socket.end(sent);
    const got: Buffer[] = [];
    for await (const chunk of socket) got.push(chunk);
    assert.ok(Buffer.concat(got).equals(sent));
  } finally {
    close();
    echo.close();
  }
});

test('nobody behind it: the connection ends', async () => {
  const gone = createServer();
  const port = await listening(gone);
  await new Promise(resolve => gone.close(resolve));
  const front = createServer();
  await listening(front);
  const close = forward(front, { host: '127.0.0.1', port }, silentLog);
  try {
    const socket = connect(portOf(front), '127.0.0.1');
    socket.on('error', () => {});
    await new Promise(resolve => socket.once('close', resolve));
  } finally {
    close();
  }
});
