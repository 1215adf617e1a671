import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimsFault } from './token-fault.ts';

test('times beyond all calendars are told as the first or the last there is', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const first = 'token is expired (Token Expiry: -271821-04-20 00:00:00 +0000 UTC)';
  for (const exp of [-1e300, Number.NEGATIVE_INFINITY, '-1e300'])
    assert.equal(claimsFault(['me'], { aud: 'me', exp }, nowMs), first, String(exp));
  assert.match(
    claimsFault(['me'], { aud: 'me', exp: 1e300, nbf: 1e300 }, nowMs)!,
    /before the nbf \(not before\) time: \+275760-09-13 00:00:00 \+0000 UTC$/,
  );
});
