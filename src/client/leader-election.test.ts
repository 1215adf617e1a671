import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coordinationV1 } from '../api/refs.ts';
import { conflict, unavailable } from '../api/status.ts';
import { VirtualClock } from '../base/clock.ts';
import { aborted } from '../base/lifecycle.ts';
import { type Log, silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { seededRandom } from '../base/random.ts';
import type { EventRecorder } from './event-recorder.ts';
import { fakeClient } from './fake-client.ts';
import { LeadershipLostError, runAsLeader } from './leader-election.ts';

const { leases } = coordinationV1;

function setUp() {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const leading: string[] = [];
  const told: string[] = [];
  const events = {
    event: (about: { kind?: string; metadata?: { name?: string } }, type: string, reason: string, message: string) =>
      void told.push(`${about.metadata?.name} ${type} ${reason}: ${message}`),
  } as unknown as EventRecorder;
  const warned: unknown[] = [];
  const log: Log = { ...silentLog, warn: (_, fields) => void warned.push(fields?.error) };
  const candidate = (identity: string, work?: () => Promise<void>) => {
    const stop = new AbortController();
    const seen: string[] = [];
    const state = { stop, seen, metrics: createMetrics(), ended: undefined as undefined | 'ok' | Error };
    const { metrics } = state;
    const random = seededRandom(identity.length);
    const options = { client, name: 'l', identity, clock, random, log, metrics, events };
    runAsLeader({ ...options, onNewLeader: id => seen.push(id) }, stop.signal, async signal => {
      leading.push(identity);
      await (work ? work() : aborted(signal));
      leading.splice(leading.indexOf(identity), 1);
    }).then(
      () => {
        state.ended = 'ok';
      },
      error => {
        state.ended = error;
      },
    );
    return state;
  };
  const lease = () => client.object(leases, 'kube-system/l')?.spec;
  return { clock, client, candidate, leading, lease, told, warned };
}

describe('leader election', () => {
  it('elects one, renews, hands over on release', async () => {
    const { clock, candidate, leading, lease, told } = setUp();
    const a = candidate('a');
    await clock.advance(0);
    const b = candidate('bb');
    await clock.advance(60_000);
    assert.deepEqual(leading, ['a']);
    const status = async ({ metrics }: typeof a) =>
      /^leader_election_master_status\{name="l"\} (\d)$/m.exec(await metrics.text())?.[1];
    assert.deepEqual([await status(a), await status(b)], ['1', '0']);
    assert.deepEqual(lease(), {
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:01:00.000000Z',
      leaseTransitions: 0,
    });
    a.stop.abort();
    await clock.advance(0);
    assert.equal(a.ended, 'ok');
    assert.equal(await status(a), '0');
    assert.equal(lease()?.holderIdentity, '');
    await clock.advance(5_000);
    assert.deepEqual(leading, ['bb']);
    assert.equal(lease()?.leaseTransitions, 1);
    assert.deepEqual(b.seen, ['a', 'bb']);
    assert.deepEqual(told, [
      'l Normal LeaderElection: a became leader',
      'l Normal LeaderElection: a stopped leading',
      'l Normal LeaderElection: bb became leader',
    ]);
    b.stop.abort();
    await clock.advance(0);
    assert.deepEqual(leading, []);
  });

  it('waits for the lease of one that died to run out', async () => {
    const { clock, client, candidate, leading } = setUp();
    const stale = { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: '2020-01-01T00:00:00.000000Z' };
    client.set(leases, { metadata: { namespace: 'kube-system', name: 'l' }, spec: stale });
    const a = candidate('a');
    await clock.advance(14_900);
    assert.deepEqual(leading, [], 'the time in the lease is not trusted');
    await clock.advance(5_000);
    assert.deepEqual(leading, ['a']);
    a.stop.abort();
    await clock.advance(0);
  });

  it('gives up when it cannot renew', async () => {
    const { clock, client, candidate, leading, warned } = setUp();
    const a = candidate('a');
    await clock.advance(1_000);
    const stop = client.react(() => unavailable('away'));
    await clock.advance(10_500);
    assert.deepEqual(leading, ['a']);
    await clock.advance(1_000);
    assert.deepEqual(leading, []);
    assert.ok(a.ended instanceof LeadershipLostError);
    assert.deepEqual(warned, ['away']);
    stop();
  });

  it('gives up when requests hang', async () => {
    const { clock, client, candidate, warned } = setUp();
    const a = candidate('a');
    await clock.advance(1_000);
    client.react(() => new Promise(() => {}));
    await clock.advance(14_000);
    assert.ok(a.ended instanceof LeadershipLostError);
    assert.deepEqual(warned, ['no answer in time']);
  });

  it('leads on when a renewal is not answered, and takes over when a look at the lease is not', async () => {
    const { clock, client, candidate, leading } = setUp();
    const a = candidate('a');
    await clock.advance(1_000);
    const hangOnce = () => {
      let left = 1;
      client.react(() => (left-- > 0 ? new Promise(() => {}) : undefined));
    };
    hangOnce();
    await clock.advance(30_000);
    assert.deepEqual(leading, ['a']);
    a.stop.abort();
    await clock.advance(0);
    hangOnce();
    const b = candidate('bb');
    await clock.advance(10_000);
    assert.deepEqual(leading, ['bb']);
    b.stop.abort();
    await clock.advance(0);
  });

  it('survives a conflict', async () => {
    const { clock, client, candidate, leading } = setUp();
    const a = candidate('a');
    await clock.advance(1_000);
    client.failNext('update', leases, conflict({ group: '', resource: 'leases' }, 'l', 'raced'));
    await clock.advance(30_000);
    assert.deepEqual(leading, ['a']);
    a.stop.abort();
    await clock.advance(0);
  });

  it('releases when the work ends, and passes on its failure', async () => {
    const { clock, candidate, lease } = setUp();
    const a = candidate('a', async () => {
      throw new Error('work failed');
    });
    await clock.advance(1_000);
    assert.match(String(a.ended), /work failed/);
    assert.equal(lease()?.holderIdentity, '');
  });
});
