import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { createDeflate, constants as zlib } from 'node:zlib';
import fc from 'fast-check';
import { SpdyConnection, type SpdyStream } from './connection.ts';
import { spdyDictionary } from './dictionary.ts';
import { controlFrame, dataFrameHead, FrameReader, frameType } from './frame.ts';
import { decodePairs, encodePairs, HeaderReader, HeaderWriter, type SpdyHeaders } from './header-block.ts';

test('the dictionary is the one that all others have', () => {
  let a = 1;
  let b = 0;
  for (const byte of spdyDictionary) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  assert.equal(spdyDictionary.length, 1423);
  assert.equal(((b << 16) | a) >>> 0, 0xe3c6a7c2);
});

test('reads blocks of a compressing peer, and its own', async () => {
  const deflate = createDeflate({ dictionary: spdyDictionary, flush: zlib.Z_SYNC_FLUSH });
  const reader = new HeaderReader();
  const sent: SpdyHeaders[] = [{ streamtype: 'error' }, { streamtype: 'stdin', port: '80' }, {}];
  for (const headers of sent) {
    deflate.write(encodePairs(headers));
    await new Promise<void>(resolve => deflate.flush(zlib.Z_SYNC_FLUSH, () => resolve()));
    await new Promise(resolve => setImmediate(resolve));
    assert.deepEqual({ ...(await reader.read(deflate.read() as Buffer)) }, headers);
  }
  deflate.close();
  reader.close();
  const writer = new HeaderWriter();
  const own = new HeaderReader();
  const long = { a: 'x'.repeat(100_000), status: '200 OK' };
  const written: SpdyHeaders[] = [{ streamtype: 'data' }, long, { b: 'é' }];
  for (const headers of written) assert.deepEqual({ ...(await own.read(writer.write(headers))) }, headers);
  own.close();
  assert.throws(() => decodePairs(encodePairs({ a: 'b' }).subarray(0, 12)), RangeError);
});

test('frames come out whole however they arrive', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ id: fc.integer({ min: 1, max: 0x7fffffff }), body: fc.uint8Array({ maxLength: 40 }) })),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      (frames, cuts) => {
        const wire = Buffer.concat(
          frames.flatMap(f => [dataFrameHead(f.id, 1, f.body.length), f.body, controlFrame(frameType.ping, 0, f.id)]),
        );
        const reader = new FrameReader();
        const out = [];
        for (let at = 0; at < wire.length; ) {
          const size = cuts.next().value;
          out.push(...reader.push(wire.subarray(at, at + size)));
          at += size;
        }
        assert.deepEqual(
          out.filter(f => !f.control).map(f => [f.streamId, f.flags, [...f.body]]),
          frames.map(f => [f.id, 1, [...f.body]]),
        );
        assert.equal(out.filter(f => f.control && f.type === frameType.ping).length, frames.length);
      },
    ),
  );
  assert.throws(() => new FrameReader().push(Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0])), /version 2/);
  assert.throws(() => new FrameReader().push(Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff])), /too many/);
});

// Unlike stream/consumers it leaves the other direction alone.
function buffer(stream: SpdyStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', chunk => void chunks.push(chunk));
  return new Promise((resolve, reject) => {
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', reject);
  });
}

function pair(onStream?: (stream: SpdyStream) => void) {
  const [a, b] = duplexPair();
  const client = new SpdyConnection(a, { side: 'client' });
  const server = new SpdyConnection(b, { side: 'server', ...(onStream ? { onStream } : {}) });
  return { client, server };
}

test('streams carry bytes both ways and end each way by itself', async () => {
  const seen: string[] = [];
  const { client, server } = pair(stream => {
    seen.push(stream.headers.streamtype ?? '');
    // Answers only after the other end has finished: needs half-open streams.
    void buffer(stream).then(all => stream.end(all.reverse()));
  });
  const streams = await Promise.all(['one', 'two'].map(streamtype => client.open({ streamtype })));
  const big = Buffer.alloc(3 << 20, 'abc');
  streams[0]!.end(big);
  streams[1]!.end('xyz');
  const [one, two] = await Promise.all(streams.map(s => buffer(s)));
  assert.deepEqual(seen, ['one', 'two']);
  assert.ok(one!.equals(Buffer.from(big).reverse()));
  assert.equal(two!.toString(), 'zyx');
  client.close();
  await Promise.all([client.closed, server.closed]);
});

test('refuses, resets and ends abruptly without leaving anybody waiting', async () => {
  const refusing = pair();
  await assert.rejects(refusing.client.open({}), /reset/);
  refusing.client.close();
  const accepted: SpdyStream[] = [];
  const { client, server } = pair(stream => void accepted.push(stream));
  const first = await client.open({});
  const second = await client.open({});
  accepted[0]!.write('last words', () => accepted[0]!.destroy());
  assert.equal(String(await buffer(first)), 'last words');
  const gone = new Promise(resolve => second.once('close', resolve));
  server.destroy();
  await Promise.all([gone, client.closed, server.closed]);
  await assert.rejects(client.open({}), /ended/);
  assert.equal(accepted[1]!.destroyed, true);
});

test('waits for a slow reader', async () => {
  let accepted: SpdyStream | undefined;
  const { client } = pair(stream => {
    accepted = stream;
  });
  const stream = await client.open({});
  stream.write(Buffer.alloc(8 << 20));
  for (let i = 0; i < 200; i++) await new Promise(resolve => setImmediate(resolve));
  assert.ok(stream.writableNeedDrain, 'everything was taken');
  const drained = new Promise(resolve => stream.once('drain', resolve));
  accepted!.resume();
  await drained;
  client.destroy();
  await client.closed;
});
