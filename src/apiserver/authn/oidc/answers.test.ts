// Tokens beside what Kubernetes' own authenticator makes of them (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { systemClock } from '../../../base/clock.ts';
import { decodeJws } from '../jws.ts';
import { CredentialError } from '../user.ts';
import { compileAuthenticators, type JwtAuthenticator } from './configuration.ts';
import { DistributedClaims } from './distributed-claims.ts';
import { identify } from './oidc.ts';

interface Answer {
  readonly jwt: JwtAuthenticator;
  readonly header: object;
  readonly claims: object;
  readonly user?: {
    readonly name: string;
    readonly uid: string;
    readonly groups: string[] | null;
    readonly extra: object;
  };
  readonly error?: string;
}

const otherwise: readonly [expression: string, why: string][] = [
  ['string(size(claims))', 'claims are a map like others'],
  ['string(timestamp(claims.exp))', 'the error names no types'],
  ['claims.roles.split(",")', 'the documentation maps groups so'],
];
const believed = { ready: async () => {}, verifyToken: async () => {} };
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function answerTo({ jwt, header, claims }: Answer): Promise<unknown> {
  const token = `${part(header)}.${part(claims)}.eA`;
  if (decodeJws(token)?.claims.iss !== jwt.issuer.url) return 'unknown';
  const [compiled] = compileAuthenticators([jwt], []);
  const distributed = new DistributedClaims(jwt, systemClock);
  try {
    const user = await identify({ compiled: compiled!, keys: believed, distributed }, token, systemClock.now());
    return { name: user.name, uid: user.uid ?? '', groups: user.groups, extra: user.extra ?? {} };
  } catch (error) {
    assert.ok(error instanceof CredentialError, String((error as Error).stack));
    return error.message;
  }
}

test('claims are believed, mapped and refused as in Kubernetes, word by word', async t => {
  const answers = JSON.parse(
    readFileSync(new URL('testdata/answers.json', import.meta.url), 'utf8'),
  ) as readonly Answer[];
  for (const answer of answers) {
    const { user, error } = answer;
    const text = JSON.stringify(answer);
    const why = otherwise.find(([expression]) => text.includes(JSON.stringify(expression)))?.[1];
    if (why) {
      t.diagnostic(`left out: ${why}`);
      continue;
    }
    const expected = user ? { ...user, groups: user.groups ?? [], extra: user.extra ?? {} } : error;
    assert.deepEqual(await answerTo(answer), expected, text);
  }
});
