// Ten thousand clients that connect and say nothing. Needs no root, but a machine that grants 10,000 files to a process.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { systemClock } from '../../src/base/clock.ts';
import { request, serverProcess } from './server-process.ts';

const connections = 10_000;
const atOnce = 64;
const spareFiles = 500;

const filesOf = (pid: number): number =>
  Number(/^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1] ?? Number.POSITIVE_INFINITY);
const residentMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

const server = await serverProcess();
const sockets: TLSSocket[] = [];
after(async () => {
  for (const s of sockets) s.destroy();
  await server.dispose();
});

test(`${connections} idle connections: the server answers as before`, { timeout: 120_000 }, async t => {
  if (process.platform !== 'linux') return t.skip('reads /proc');
  if (filesOf(process.pid) < connections + spareFiles)
    return t.skip(`this process may open ${filesOf(process.pid)} files (ulimit -n): ${connections} are needed`);
  const child = server.spawn();
  await server.whenReady();
  const session = await server.connect();
  const before = residentMb(child.pid!);
  const { port } = new URL(server.url);
  let resumed: Buffer | undefined;
  const open = () =>
    new Promise<void>((resolve, reject) => {
      // Clients without certificates, as health checks and scanners are; half of them speak HTTP/2.
      const protocol = sockets.length % 2 ? 'h2' : 'http/1.1';
      const socket = connect({
        host: '127.0.0.1',
        port: Number(port),
        rejectUnauthorized: false,
        ALPNProtocols: [protocol],
        ...(resumed ? { session: resumed } : {}),
      });
      socket.once('session', ticket => {
        resumed ??= ticket;
      });
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
      sockets.push(socket);
    });
  const began = systemClock.monotonic();
  const worker = async () => {
    while (sockets.length < connections) await open();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const seconds = (systemClock.monotonic() - began) / 1000;
  const perConnectionKb = ((residentMb(child.pid!) - before) * 1024) / sockets.length;

  const latencies: number[] = [];
  for (let i = 0; i < 100; i++) {
    const start = systemClock.monotonic();
    const object = { metadata: { name: `c-${i}` } };
    const { code } = await request(session, 'POST', '/api/v1/namespaces/default/configmaps', object);
    assert.equal(code, 201);
    latencies.push(systemClock.monotonic() - start);
  }
  latencies.sort((a, b) => a - b);
  assert.equal(sockets.filter(s => s.closed).length, 0, 'connections were cut');
  t.diagnostic(
    `${sockets.length} connections in ${seconds.toFixed(1)} s, ${perConnectionKb.toFixed(1)} KB each; ` +
      `create: median ${latencies[50]!.toFixed(1)} ms, p99 ${latencies[99]!.toFixed(1)} ms`,
  );
  assert.ok(perConnectionKb < 100, `${perConnectionKb} KB a connection`);
  assert.ok(latencies[99]! < 2000);
  session.destroy();
});
