// Impersonation beside what Kubernetes' own filters ask and answer (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { StatusError } from '../../api/status.ts';
import type { UserInfo } from '../authn/user.ts';
import { distinctHeaders } from '../http/distinct-headers.ts';
import type { Attributes, SyncAuthorizer } from './authorizer.ts';
import { asksToImpersonate, impersonated } from './impersonation.ts';

interface Answer {
  readonly constrained: boolean;
  readonly sender: UserInfo;
  readonly headers: readonly [name: string, value: string][];
  readonly allowed: readonly string[];
  readonly asked: readonly string[];
  readonly user?: Partial<UserInfo>;
  readonly code?: number;
  readonly message?: string;
}

const partsOf = (a: Attributes) => [a.verb, a.group, a.resource, a.subresource, a.namespace, a.name];

/** Notes what it is asked. */
function granting(allowed: readonly string[], asked: string[]): SyncAuthorizer {
  return {
    authorize(attributes) {
      const parts = partsOf(attributes);
      asked.push(parts.join('|'));
      const fits = (rule: string) => rule.split('|').every((want, i) => want === '*' || want === parts[i]);
      return allowed.some(fits) ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: 'no rule' };
    },
  };
}

async function answerTo({ constrained, sender, headers: given, allowed }: Answer, asked: string[]): Promise<object> {
  const user = { ...sender, groups: sender.groups ?? [] };
  const headers = distinctHeaders(given.flat());
  const action = (): Attributes => ({
    ...{ user, verb: 'list', isResource: true, group: '', version: 'v1', resource: 'pods', subresource: '' },
    ...{ namespace: 'default', name: '', path: '/api/v1/namespaces/default/pods' },
  });
  if (!asksToImpersonate(headers)) return { user };
  const authorizer = granting(allowed, asked);
  try {
    return { user: await impersonated({ headers, user, authorizer, ...(constrained ? { action } : {}) }) };
  } catch (error) {
    assert.ok(error instanceof StatusError, String((error as Error).stack));
    return { code: error.code, message: error.message };
  }
}

test('who may be whom is asked and answered as in Kubernetes', async () => {
  const answers = JSON.parse(
    readFileSync(new URL('testdata/impersonation.json', import.meta.url), 'utf8'),
  ) as readonly Answer[];
  for (const answer of answers) {
    const asked: string[] = [];
    const text = JSON.stringify(answer);
    const { user, code, message } = answer;
    const expected = user ? { user: { ...user, groups: user.groups ?? [] } } : { code, message: message?.trim() };
    assert.deepEqual(await answerTo(answer, asked), expected, text);
    assert.deepEqual(
      asked,
      answer.asked.map(line => line.slice(0, line.lastIndexOf('|'))),
      text,
    );
  }
});
