// Name servers that are dead, slow or say too much.
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { decode, encode } from 'dns-packet';
import { VirtualClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { Forwarder } from './forwarder.ts';

const message = encode({ type: 'query', id: 5, questions: [{ type: 'A', name: 'example.com' }] });
const live = '127.0.0.1';

async function upstream(answers: boolean) {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, live, resolve));
  const seen = { count: 0 };
  socket.on('message', (bytes, peer) => {
    seen.count++;
    const { id = 0, questions = [] } = decode(bytes);
    if (answers) socket.send(encode({ type: 'response', id, questions }), peer.port, peer.address);
  });
  return { socket, seen, port: (socket as Socket).address().port };
}

test('a name server that refuses is asked last for a while, then by one question', async () => {
  const { socket, seen, port } = await upstream(true);
  const clock = new VirtualClock();
  const order: string[] = [];
  const forwarder = new Forwarder({
    // Nobody listens on the first.
    nameservers: () => ['127.0.0.9', live],
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      // Set once for each attempt.
      after: (ms, fn) => {
        order.push(`${ms}`);
        return clock.after(ms, fn);
      },
    },
    random: { next: () => 0, bytes: n => systemRandom.bytes(n) },
    port,
  });
  try {
    const attempts = async () => {
      order.length = 0;
      await forwarder.exchange(message, 'udp');
      return order.length;
    };
    assert.equal(await attempts(), 2);
    assert.equal(await attempts(), 1);
    await clock.advance(10_000);
    assert.equal(await attempts(), 2);
    assert.equal(await attempts(), 1);
    assert.equal(seen.count, 4);
  } finally {
    socket.close();
  }
});

test('who nobody answers is told so within five seconds', async () => {
  const { socket, seen, port } = await upstream(false);
  const clock = new VirtualClock();
  const forwarder = new Forwarder({
    nameservers: () => [live, live, live],
    clock,
    random: { next: () => 0, bytes: n => systemRandom.bytes(n) },
    port,
  });
  try {
    let over = false;
    const asked = forwarder.exchange(message, 'udp').catch(() => {
      over = true;
    });
    for (const [i, ms] of [2_000, 2_000, 1_000].entries()) {
      assert.equal(over, false);
      while (seen.count === i) await turn();
      await clock.advance(ms);
    }
    await asked;
    assert.equal(clock.monotonic(), 5_000);
  } finally {
    socket.close();
  }
});
