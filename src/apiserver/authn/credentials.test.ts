// Credentials beside whom Kubernetes' own authenticators see in them (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { messageOf } from '../../base/assert.ts';
import { distinctHeaders } from '../http/distinct-headers.ts';
import { frontProxyAuthenticator } from './front-proxy.ts';
import { parseTokenFile } from './token-file.ts';
import { bearerTokenOf, websocketTokenOf } from './union.ts';
import type { UserInfo } from './user.ts';

interface Answer {
  readonly kind: keyof typeof readers;
  readonly headers?: readonly [name: string, value: string][];
  readonly names?: Readonly<Record<'name' | 'uid' | 'group' | 'extra', readonly string[]>>;
  readonly text?: string;
  readonly token?: string;
  readonly user?: Partial<UserInfo>;
  readonly left?: readonly string[];
  readonly error?: string;
}

interface Seen {
  readonly user: Partial<UserInfo> | undefined;
  /** The subprotocols that stay. */
  readonly left?: string;
}

const headersOf = ({ headers = [] }: Answer) => distinctHeaders(headers.flat());
const named = (token: string | undefined) => (token === undefined ? undefined : { name: token });

const readers = {
  bearer: (answer: Answer): Seen => ({ user: named(bearerTokenOf(headersOf(answer).authorization?.[0])) }),
  websocket(answer: Answer): Seen {
    const offered = (headersOf(answer)['sec-websocket-protocol'] ?? []).join().split(',');
    const { token, protocols } = websocketTokenOf(offered.map(p => p.trim()));
    return { user: named(token), ...(token === undefined ? {} : { left: protocols.join() }) };
  },
  proxy(answer: Answer): Seen {
    const { name, uid, group, extra } = answer.names!;
    const authenticator = frontProxyAuthenticator({
      ...{ usernameHeaders: name, uidHeaders: uid, groupHeaders: group, extraHeadersPrefixes: extra },
    });
    const peerCertificate = { commonName: 'proxy', organizations: [], authority: 'frontProxy' } as const;
    return {
      user: authenticator.authenticate({ headers: headersOf(answer), peerCertificate }) as UserInfo | undefined,
    };
  },
  file: ({ text = '', token = '' }: Answer): Seen => ({ user: parseTokenFile(text, 'FILE').get(token) }),
};

const whole = (user: Partial<UserInfo> | undefined) =>
  user && { name: user.name, uid: user.uid ?? '', groups: user.groups ?? [], extra: user.extra ?? {} };

test('users are seen in headers and files where Kubernetes sees them', () => {
  const answers = JSON.parse(
    readFileSync(new URL('testdata/answers.json', import.meta.url), 'utf8'),
  ) as readonly Answer[];
  for (const answer of answers) {
    let seen: Seen = { user: undefined };
    let error = '';
    try {
      seen = readers[answer.kind](answer);
    } catch (thrown) {
      error = messageOf(thrown);
    }
    const text = JSON.stringify(answer);
    assert.equal(error, answer.error ?? '', text);
    assert.deepEqual(whole(seen.user), whole(answer.user), text);
    if (seen.left !== undefined) assert.equal(seen.left, answer.left?.[0], text);
  }
});
