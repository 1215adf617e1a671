import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { trustingNamesake } from './namesake.ts';

test('a server that shows nothing is waited for as long as the request may take', { timeout: 5000 }, async () => {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const target = { protocol: 'https:', host: '127.0.0.1', port, tls: { ca: 'PEM' } } as const;
  const error = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  const ask = (signal: AbortSignal) => trustingNamesake(target, error, { nowMs: 0, signal });
  try {
    await assert.rejects(ask(AbortSignal.abort(new Error('too late'))), /too late/);
    const request = new AbortController();
    const asking = ask(request.signal);
    await once(server, 'connection');
    request.abort(new Error('no answer'));
    await assert.rejects(asking, /no answer/);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
