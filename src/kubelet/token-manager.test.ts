import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../api/meta.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { TokenManager } from './token-manager.ts';

const pod = (uid: string) =>
  ({ metadata: { name: 'p', namespace: 'n', uid }, spec: { serviceAccountName: 'sa' } }) as unknown as Pod;

function bench() {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1));
  const asked: unknown[] = [];
  let failing = false;
  let tries = 0;
  const client = {
    async createSubresource(
      _: unknown,
      key: { name: string },
      subresource: string,
      body: { spec: Record<string, unknown> },
    ) {
      tries++;
      if (failing) throw new Error('unreachable');
      asked.push([key.name, subresource, body.spec.audiences, body.spec.expirationSeconds]);
      const seconds = Number(body.spec.expirationSeconds);
      return { status: { token: `t${asked.length}`, expirationTimestamp: formatTime(clock.now() + seconds * 1000) } };
    },
  } as unknown as Client;
  const random = { next: () => 0 } as never;
  const tokens = new TokenManager({ client, clock, random, log: silentLog });
  const token = async (source: object, of = pod('u')) => (await tokens.token(of, { path: 'token', ...source })).token;
  return { clock, asked, tokens, token, fail: (yes: boolean) => (failing = yes), tries: () => tries };
}

test('a token is asked for once, and again at four fifths of its life', async () => {
  const { clock, asked, token } = bench();
  assert.equal(await token({ audience: 'vault', expirationSeconds: 600 }), 't1');
  await clock.advance(479_000);
  assert.equal(await token({ audience: 'vault', expirationSeconds: 600 }), 't1');
  await clock.advance(2_000);
  assert.equal(await token({ audience: 'vault', expirationSeconds: 600 }), 't2');
  assert.deepEqual(asked, [
    ['sa', 'token', ['vault'], 600],
    ['sa', 'token', ['vault'], 600],
  ]);
});

test('a token that comes when its pod has been released is not kept', async () => {
  const { tokens, token } = bench();
  const late = token({ expirationSeconds: 600 });
  tokens.release('u');
  assert.equal(await late, 't1');
  assert.equal(await token({ expirationSeconds: 600 }), 't2');
});

test('a long-lived token is renewed after a day; audiences and pods have tokens of their own', async () => {
  const { clock, token } = bench();
  assert.equal(await token({ expirationSeconds: 10 * 86_400 }), 't1');
  assert.equal(await token({ expirationSeconds: 10 * 86_400, audience: 'x' }), 't2');
  assert.equal(await token({ expirationSeconds: 10 * 86_400 }, pod('v')), 't3');
  await clock.advance(86_401_000);
  assert.equal(await token({ expirationSeconds: 10 * 86_400 }), 't4');
});

test('a renewal that fails is tried once a minute, however often the token is asked for', async () => {
  const { clock, token, tokens, fail, tries } = bench();
  await token({ expirationSeconds: 3600 });
  fail(true);
  await clock.advance(2_900_000);
  const source = { path: 'token', expirationSeconds: 3600 };
  for (let i = 0; i < 5; i++) assert.equal(await token(source), 't1');
  assert.equal(tries(), 2);
  assert.equal((await tokens.token(pod('u'), source)).refreshAtMs, clock.now() + 60_000);
  await clock.advance(60_000);
  assert.equal(await token(source), 't1');
  assert.equal(tries(), 3);
  fail(false);
  await clock.advance(60_000);
  assert.equal(await token(source), 't2');
});

test('what cannot be renewed is given on while it is valid', async () => {
  const { clock, token, fail } = bench();
  assert.equal(await token({ expirationSeconds: 600 }), 't1');
  fail(true);
  await clock.advance(550_000);
  assert.equal(await token({ expirationSeconds: 600 }), 't1');
  await clock.advance(51_000);
  await assert.rejects(token({ expirationSeconds: 600 }), /unreachable/);
  fail(false);
  assert.equal(await token({ expirationSeconds: 600 }), 't2');
});
