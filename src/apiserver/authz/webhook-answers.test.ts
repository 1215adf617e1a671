// A webhook authorizer beside Kubernetes' own: what it posts, how often, and what it makes of answers (testdata/README.md).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { compile } from '../../api/cel/compile.ts';
import { parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector } from '../../api/label-selector.ts';
import { VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import { startTestExtension } from '../extension/test-extension.ts';
import { WebhookClient } from '../extension/webhook-client.ts';
import { ServerCounts } from '../observe/server-counts.ts';
import type { Attributes, Verdict } from './authorizer.ts';
import { reviewEnvironment } from './kernel/access-review.ts';
import { WebhookAuthorizer } from './webhook-authorizer.ts';

interface Answer {
  readonly version: 'v1' | 'v1beta1';
  readonly sender: Partial<UserInfo>;
  readonly verb: string;
  readonly resource?: readonly string[];
  readonly path?: string;
  readonly fields?: string;
  readonly labels?: string;
  readonly conditions?: readonly string[];
  readonly deny?: boolean;
  readonly code: number;
  readonly answer: string;
  readonly asked: readonly string[];
  readonly decision: number;
  readonly reason?: string;
  readonly error?: string;
}

const answers = JSON.parse(
  readFileSync(new URL('testdata/reviews.json', import.meta.url), 'utf8'),
) as readonly Answer[];
const decisions = ['deny', 'allow', 'noOpinion'];

function attributesOf({ sender, verb, resource, path = '', fields, labels }: Answer): Attributes {
  const [group = '', version = '', kind = '', subresource = '', namespace = '', name = ''] = resource ?? [];
  return {
    ...{ verb, path, isResource: resource !== undefined },
    ...{ group, version, resource: kind, subresource, namespace, name },
    user: { ...sender, name: sender.name ?? '', groups: sender.groups ?? [] },
    ...(fields ? { fieldSelector: parseFieldSelector(fields) } : {}),
    ...(labels ? { labelSelector: parseLabelSelector(labels) } : {}),
  };
}

/** Waits as long as it takes, on a clock of its own. */
async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const end = () => {
    done = true;
  };
  promise.then(end, end);
  while (!done) {
    await clock.advance(1000);
    await setImmediate();
  }
  return promise;
}

test('a webhook is asked and believed as Kubernetes asks and believes it', async () => {
  let current: Answer;
  let asked: string[] = [];
  const server = await startTestExtension((_request, response, body) => {
    asked.push(body);
    response.writeHead(current.code, { 'content-type': 'application/json' });
    response.end(current.code === 204 ? undefined : current.answer);
  });
  const clock = new VirtualClock();
  const onShutdown = new Set<() => void>();
  const counts = new ServerCounts(createMetrics());
  const context = { clock, random: seededRandom(1), onShutdown, counts, egress: {} } as unknown as ApiContext;
  const client = new WebhookClient({ context, userAgent: 'test' });
  const access = {
    server: server.url,
    ca: Buffer.from(server.caBundle, 'base64').toString(),
    namespace: '',
    userAgent: '',
  };
  const post = (body: unknown, timeoutMs: number) => client.postTo(access, body, timeoutMs);
  try {
    for (const answer of answers) {
      current = answer;
      asked = [];
      const conditions = (answer.conditions ?? []).map(text => compile(text, reviewEnvironment).program!);
      const authorizer = new WebhookAuthorizer({
        ...{ name: 'test', clock, post },
        plan: {
          ...{ authorizedMs: 0, unauthorizedMs: 0, timeoutMs: 1e9, version: answer.version, conditions },
          failurePolicy: answer.deny ? 'Deny' : 'NoOpinion',
        },
      });
      const deciding = Promise.resolve(authorizer.authorize(attributesOf(answer)));
      const { decision, reason, error = '' }: Verdict = await settled(clock, deciding);
      const { decision: expected, reason: why = '', error: wrong = '' } = answer;
      const text = JSON.stringify(answer);
      assert.deepEqual({ decision, reason, error }, { decision: decisions[expected], reason: why, error: wrong }, text);
      assert.deepEqual(asked, answer.asked, text);
    }
  } finally {
    for (const end of onShutdown) end();
    await server.stop();
  }
});
