import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { VirtualClock } from '../base/clock.ts';
import { answerConnection } from './tcp-connection.ts';

type Handle = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;

async function connected(handle: Handle) {
  const clock = new VirtualClock();
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect({ port: (server.address() as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true });
  const [far] = (await once(server, 'connection')) as [Socket];
  answerConnection(far, { clock, handle, puzzled: assert.ifError });
  return {
    ...{ clock, near, far },
    stop() {
      near.destroy();
      far.destroy();
      server.close();
    },
  };
}

const framed = (text: string) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);

test('who ends after its question still gets a late answer', async () => {
  const late = Promise.withResolvers<Uint8Array>();
  const { near, far, stop } = await connected(() => late.promise);
  try {
    let got = '';
    near.on('data', chunk => {
      got += chunk;
    });
    near.end(framed('question'));
    await once(far, 'end');
    late.resolve(Buffer.from('answer'));
    await once(near, 'end');
    assert.equal(got, '\0\x06answer');
  } finally {
    stop();
  }
});

test('answers that nobody reads do not pile up, and are all there once somebody does', async () => {
  const answer = Buffer.alloc(60_000);
  let asked = 0;
  const { near, far, stop } = await connected(() => {
    asked++;
    return answer;
  });
  try {
    const questions = 500;
    for (let i = 0; i < questions; i++) near.write(framed('question'));
    let before = -1;
    while (before !== asked || asked === 0) {
      before = asked;
      for (let i = 0; i < 50; i++) await turn();
    }
    assert.ok(asked < questions, `${asked} answered`);
    // One more than are answered at a time.
    assert.ok(far.writableLength <= 65 * (answer.length + 2), `${far.writableLength} bytes wait`);
    let got = 0;
    for await (const chunk of near) {
      got += chunk.length;
      if (got === questions * (answer.length + 2)) break;
    }
    assert.equal(asked, questions);
  } finally {
    stop();
  }
});

test('who asks nothing, or does not read, is let go after ten seconds', async () => {
  const { clock, near, far, stop } = await connected(() => Buffer.alloc(60_000));
  try {
    near.write(framed('question'));
    await once(far, 'data');
    await clock.advance(9_999);
    assert.equal(far.destroyed, false);
    await clock.advance(1);
    assert.equal(far.destroyed, true);
  } finally {
    stop();
  }
});
