import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import type { Client } from './client.ts';
import { fencedClient } from './fenced-client.ts';
import { LeadershipLostError } from './leader-election.ts';

const lost = new LeadershipLostError('failed to renew lease');
const key = { namespace: 'a', name: 'b' };

/** A client whose calls never end, and who called. */
function hanging() {
  const called: string[] = [];
  const make = (agent: string): Client =>
    ({
      get: () => {
        called.push(agent);
        return Promise.withResolvers().promise;
      },
      patch: async () => called.push(agent),
      as: ({ userAgent }: { userAgent: string }) => make(userAgent),
    }) as unknown as Client;
  return { client: make('own'), called };
}

test('who has lost the lead waits for no answer and calls nobody', async () => {
  const { client, called } = hanging();
  const term = new AbortController();
  const fenced = fencedClient(client, term.signal);
  const waiting = fenced.as({ userAgent: 'job' }).get(coreV1.pods, key);
  term.abort(lost);
  await assert.rejects(waiting, lost);
  await assert.rejects(fenced.patch(coreV1.pods, key, { type: 'merge', body: {} }), lost);
  await assert.rejects(fencedClient(client, term.signal).get(coreV1.pods, key), lost);
  assert.deepEqual(called, ['job']);
});

test('who is stopped finishes what was begun', async () => {
  const { client, called } = hanging();
  const term = new AbortController();
  const fenced = fencedClient(client, term.signal);
  term.abort(new Error('stopped by SIGTERM'));
  await fenced.patch(coreV1.pods, key, { type: 'merge', body: {} });
  assert.deepEqual(called, ['own']);
});
