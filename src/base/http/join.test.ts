import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { settle, VirtualClock } from '../clock.ts';
import { joinStreams } from './join.ts';

/** Both ends of a connection over loopback. */
async function connection(t: TestContext): Promise<[outer: Socket, inner: Socket]> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const outer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [inner] = (await once(server, 'connection')) as [Socket];
  server.close();
  t.after(() => {
    outer.destroy();
    inner.destroy();
  });
  return [outer, inner];
}

test('hands bytes through both ways and ends with either end', async t => {
  const [client, front] = await connection(t);
  const [back, service] = await connection(t);
  const joined = joinStreams(front, back, { clock: new VirtualClock() });
  client.write('ping');
  assert.equal(String((await once(service, 'data'))[0]), 'ping');
  service.end('pong');
  assert.equal(String((await once(client, 'data'))[0]), 'pong');
  await joined;
  assert.ok(front.destroyed && back.destroyed);
});

test('what came before an abrupt end arrives', async () => {
  const [client, front] = duplexPair();
  const [back, service] = duplexPair();
  const joined = joinStreams(front, back, { clock: new VirtualClock() });
  const heard: string[] = [];
  client.on('data', chunk => heard.push(String(chunk)));
  // The client takes its time with the first piece.
  front.cork();
  service.write('first ');
  service.write('last');
  await settle();
  back.destroy(new Error('read ECONNRESET'));
  await settle();
  front.uncork();
  await joined;
  assert.equal(heard.join(''), 'first last');
});

test('who does not read any longer is not waited for when the other end has broken', async () => {
  const clock = new VirtualClock();
  const [, front] = duplexPair();
  const [back, service] = duplexPair();
  const joined = joinStreams(front, back, { clock });
  service.write(Buffer.alloc(1 << 20));
  await settle();
  back.destroy(new Error('read ECONNRESET'));
  await settle();
  assert.equal(front.destroyed, false);
  await clock.advance(10_000);
  await joined;
  assert.ok(front.destroyed);
});

test('leaves nothing open when one end goes while the other still talks', async t => {
  for (const leave of [(s: Socket) => s.end(), (s: Socket) => s.destroy(), (s: Socket) => s.resetAndDestroy()]) {
    const [client, front] = await connection(t);
    const [back, service] = await connection(t);
    const joined = joinStreams(front, back, { clock: new VirtualClock() });
    const talk = () => {
      while (service.writable && service.write(Buffer.alloc(64 << 10)));
    };
    service.on('drain', talk);
    service.on('error', () => {});
    talk();
    await once(client, 'data');
    leave(client);
    client.resume();
    await joined;
    assert.ok(front.destroyed && back.destroyed);
  }
});

test('cuts what stands still, and only that', async () => {
  const clock = new VirtualClock();
  const [client, front] = duplexPair();
  const [back] = duplexPair();
  const joined = joinStreams(front, back, { clock, idleMs: 1000 });
  await clock.advance(900);
  client.write('x');
  await settle();
  await clock.advance(900);
  assert.equal(front.destroyed, false);
  await clock.advance(200);
  assert.equal(front.destroyed, true);
  await joined;
  assert.equal(clock.untilNext(), undefined);
});
