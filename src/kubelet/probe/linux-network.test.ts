// Probes over real sockets on loopback.
import assert from 'node:assert/strict';
import * as http2 from 'node:http2';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { linuxProbeNetwork } from './linux-network.ts';

const listen = (server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }) =>
  new Promise<number>(done => server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port)));
const refused = (port: number) => new Promise(done => connect(port, '127.0.0.1').once('error', done));

/** A gRPC health service that gives these bytes. */
async function healthServer(message: Buffer, status: string, why = 'no%20such') {
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': why }));
    stream.end(message);
  });
  const port = await listen(server);
  return { port, stop: () => new Promise(done => server.close(done)) };
}
const answer = (status: number) => Buffer.from([0, 0, 0, 0, 2, 0x08, status]);

test('a gRPC probe of a port that refuses tries until its time is up', async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise(done => server.close(done));
  const clock = new VirtualClock();
  const result = linuxProbeNetwork(clock).grpc('127.0.0.1', port, 'x', 2000);
  await refused(port);
  await clock.advance(2000);
  assert.deepEqual(await result, {
    result: 'failure',
    output: `timeout: failed to connect service "127.0.0.1:${port}" within 2s: context deadline exceeded`,
  });
});

for (const [name, message, status, result, output] of [
  ['serves', answer(1), '0', 'success', 'service healthy'],
  ['does not serve', answer(2), '0', 'failure', 'service unhealthy (responded with "NOT_SERVING")'],
  [
    'does not know the service',
    Buffer.alloc(0),
    '5',
    'failure',
    'error: health rpc probe failed: rpc error: code = NotFound desc = no such',
  ],
  [
    'is none',
    Buffer.alloc(0),
    '12',
    'failure',
    'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no such',
  ],
] as const)
  test(`a gRPC probe of a server that ${name}`, async () => {
    const server = await healthServer(message, status);
    try {
      const probed = await linuxProbeNetwork(new VirtualClock()).grpc('127.0.0.1', server.port, '', 1000);
      assert.deepEqual(probed, { result, output });
    } finally {
      await server.stop();
    }
  });

test('a gRPC probe of a server that sends without end is over when it is too much', async () => {
  for (const length of [5_000_000, 2]) {
    const server = http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      stream.on('error', () => {});
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(length, 1);
      stream.write(frame);
      const more = () => {
        while (!stream.destroyed && stream.write(Buffer.alloc(1 << 20)));
      };
      stream.on('drain', more);
      if (length === 2) more();
    });
    const port = await listen(server);
    try {
      const { result, output } = await linuxProbeNetwork(new VirtualClock()).grpc('127.0.0.1', port, '', 1000);
      assert.equal(result, 'failure');
      assert.match(
        output,
        /^error: health rpc probe failed: rpc error: code = ResourceExhausted desc = grpc: received message larger than max \(\d+ vs\. 4194304\)$/,
      );
      if (length > 2) assert.match(output, /\(5000000 vs/);
    } finally {
      await new Promise(done => server.close(done));
    }
  }
});

test('a gRPC probe reads a reason that is escaped wrongly as it is', async () => {
  const server = await healthServer(Buffer.alloc(0), '5', '100%zz');
  try {
    const { output } = await linuxProbeNetwork(new VirtualClock()).grpc('127.0.0.1', server.port, '', 1000);
    assert.equal(output, 'error: health rpc probe failed: rpc error: code = NotFound desc = 100%zz');
  } finally {
    await server.stop();
  }
});

/** A server of one connection that answers with this; and what it was asked. */
async function httpServer(answerText: string) {
  const asked: string[] = [];
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', data => {
      asked.push(data.toString());
      socket.end(answerText);
    });
  });
  const port = await listen(server);
  return { port, asked, stop: () => new Promise(done => server.close(done)) };
}
const probeOf = (port: number, headers: readonly { name: string; value: string }[]) =>
  ({ scheme: 'HTTP', host: '127.0.0.1', port, path: '/x', headers, timeoutMs: 1000 }) as const;

test('an HTTP probe that is refused tells the URL with its port', async () => {
  const server = await httpServer('');
  await server.stop();
  assert.deepEqual(await linuxProbeNetwork(new VirtualClock()).http(probeOf(server.port, [])), {
    result: 'failure',
    output: `Get "http://127.0.0.1:${server.port}/x": dial tcp 127.0.0.1:${server.port}: connect: connection refused`,
  });
});

test("an HTTP probe names its host with the port, and the probe's own Host header goes before", async () => {
  const host = async (headers: { name: string; value: string }[]) => {
    const server = await httpServer('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    try {
      assert.equal((await linuxProbeNetwork(new VirtualClock()).http(probeOf(server.port, headers))).result, 'success');
      return [...server.asked.join().matchAll(/^host: (.*)\r$/gim)].map(m => m[1]!.replace(`:${server.port}`, ':PORT'));
    } finally {
      await server.stop();
    }
  };
  assert.deepEqual(await host([]), ['127.0.0.1:PORT']);
  assert.deepEqual(await host([{ name: 'Host', value: '' }]), ['127.0.0.1:PORT']);
  assert.deepEqual(await host([{ name: 'host', value: 'web.example' }]), ['web.example']);
});

test('an HTTP probe that is sent on to what is no URL, or none of HTTP, fails', async () => {
  const probed = async (location: string) => {
    const server = await httpServer(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    try {
      const { result, output } = await linuxProbeNetwork(new VirtualClock()).http(probeOf(server.port, []));
      return [result, output.replace(`:${server.port}`, ':PORT')];
    } finally {
      await server.stop();
    }
  };
  const get = 'Get "http://127.0.0.1:PORT/x": failed to parse Location header';
  assert.deepEqual(await probed('http://[bad'), [
    'failure',
    `${get} "http://[bad": parse "http://[bad": missing ']' in host`,
  ]);
  assert.deepEqual(await probed('ftp://127.0.0.1/y'), [
    'failure',
    'Get "ftp://127.0.0.1/y": unsupported protocol scheme "ftp"',
  ]);
});
