// Long heads over HTTP/2, as Go's server takes them: in one frame, which its clients send once they know they may.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { fileServer } from '../test-file-server.ts';

const on = fileServer();

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A name and a value as they are, of less than 16 KB (RFC 7541, 6.2.2 and 5.1). */
function literal(name: string, value: string): Buffer {
  const rest = value.length - 127;
  const length = rest < 0 ? [value.length] : [127, (rest & 127) | 128, rest >> 7];
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from(length), Buffer.from(value)]);
}

const types = { headers: 1, settings: 4, goAway: 7 };

test('a head of 900 KB in one frame is answered', async () => {
  const { ca, admin, url } = on.server;
  const options = { ca, cert: admin.certificatePem, key: admin.keyPem, ALPNProtocols: ['h2'] };
  const socket = connect({ port: Number(new URL(url).port), ...options });
  try {
    const groups = Array.from({ length: 90 }, (_, i) => literal(`x-long-${i}`, 'a'.repeat(10_000)));
    const named: [string, string][] = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':authority', 'x'],
      [':path', '/version'],
    ];
    const block = Buffer.concat([...named.map(([name, value]) => literal(name, value)), ...groups]);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(frame(types.settings, 0, 0, Buffer.alloc(0)));
    // The server's bound is in force when it has been acknowledged.
    await once(socket, 'data');
    socket.write(frame(types.settings, 1, 0, Buffer.alloc(0)));
    socket.write(frame(types.headers, 5, 1, block));
    let told = Buffer.alloc(0);
    for await (const bytes of socket) {
      told = Buffer.concat([told, bytes]);
      const seen: number[] = [];
      for (let at = 0; at + 9 <= told.length; at += 9 + told.readUIntBE(at, 3)) seen.push(told[at + 3]!);
      assert.ok(!seen.includes(types.goAway), 'the connection was ended');
      if (seen.includes(types.headers)) return;
    }
    assert.fail('the connection ended without an answer');
  } finally {
    socket.destroy();
  }
});
