import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Level, workOf } from './level.ts';
import { dealHand, flowHash } from './shuffle.ts';

class Job {
  readonly id: number;
  readonly initialSeats: number;
  readonly finalSeats: number;
  readonly extraMs: number;
  readonly seats: number;
  arrivedMs = 0;
  arrivedAt = 0;
  startedMs = 0;
  queue: any = undefined;
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  constructor(id: number, initialSeats = 1, finalSeats = 0, extraMs = 0) {
    this.id = id;
    this.initialSeats = initialSeats;
    this.finalSeats = finalSeats;
    this.extraMs = extraMs;
    this.seats = Math.max(initialSeats, finalSeats);
  }
}

const queuing = (queues: number, handSize: number, queueLengthLimit = 50) => ({
  exempt: false,
  queues,
  handSize,
  queueLengthLimit,
});

/** The same rules with lists, everything computed anew each time. Queues are chosen by the level under test. */
class Naive {
  readonly limit: number;
  meter = 0;
  at = 0;
  readonly queues: { start: number; waiting: Job[]; running: Job[] }[];
  readonly came = new Map<Job, number>();
  lingering: { at: number; job: Job; queue: number }[] = [];
  turn = 0;

  constructor(queues: number, limit: number) {
    this.limit = limit;
    this.queues = Array.from({ length: queues }, () => ({ start: 0, waiting: [], running: [] }));
  }
  held(i: number) {
    return [...this.queues[i]!.running, ...this.lingering.filter(l => l.queue === i).map(l => l.job)];
  }
  used() {
    return this.queues.flatMap((_, i) => this.held(i)).reduce((sum, j) => sum + j.seats, 0);
  }
  pass(to: number) {
    for (;;) {
      const next = this.lingering.filter(l => l.at <= to).sort((a, b) => a.at - b.at)[0];
      const until = next ? next.at : to;
      const wanted = this.queues.flatMap(q => q.waiting).reduce((sum, j) => sum + j.seats, 0) + this.used();
      const active = this.queues.filter((q, i) => q.waiting.length > 0 || this.held(i).length > 0).length;
      if (active > 0) this.meter += ((until - this.at) * Math.min(this.limit, wanted)) / active;
      this.at = until;
      if (!next) return;
      this.lingering = this.lingering.filter(l => l !== next);
    }
  }
  arrive(job: Job, i: number) {
    const q = this.queues[i]!;
    if (q.waiting.length === 0 && this.held(i).length === 0) q.start = this.meter;
    q.waiting.push(job);
    this.came.set(job, this.meter);
  }
  /** Ids in order of start. */
  dispatch(): number[] {
    const started: number[] = [];
    for (;;) {
      const order = this.queues.map((_, n) => (this.turn + 1 + n) % this.queues.length);
      const begin = (i: number) => Math.max(this.queues[i]!.start, this.came.get(this.queues[i]!.waiting[0]!)!);
      const end = (i: number) => begin(i) + workOf(this.queues[i]!.waiting[0]!);
      const best = order.filter(i => this.queues[i]!.waiting.length > 0).sort((a, b) => end(a) - end(b))[0];
      if (best === undefined) return started;
      const q = this.queues[best]!;
      const job = q.waiting[0]!;
      if (this.used() > 0 && this.used() + job.seats > this.limit) return started;
      q.start = end(best);
      q.waiting.shift();
      q.running.push(job);
      this.turn = best;
      started.push(job.id);
    }
  }
  finish(job: Job, ranMs: number) {
    const i = this.queues.findIndex(q => q.running.includes(job));
    const q = this.queues[i]!;
    q.running = q.running.filter(j => j !== job);
    q.start += job.initialSeats * (ranMs - 3);
    if (job.finalSeats > 0 && job.extraMs > 0) this.lingering.push({ at: this.at + job.extraMs, job, queue: i });
  }
}

const step = fc.oneof(
  fc.record({
    type: fc.constant('arrive' as const),
    flow: fc.nat(4),
    width: fc.constantFrom([1, 0, 0], [1, 0, 0], [3, 0, 0], [1, 4, 7.5], [12, 0, 0]),
  }),
  fc.record({ type: fc.constant('finish' as const), which: fc.nat(20) }),
  fc.record({ type: fc.constant('leave' as const), which: fc.nat(20) }),
  fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(0, 0.25, 1, 2.5, 16, 100) }),
);

test('a level starts what its naive twin starts, in its order, and never uses more seats than it has', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.integer({ min: 1, max: 8 }), (steps, limit) => {
      const level = new Level<Job>('l', queuing(5, 2, 4), limit, 0);
      const naive = new Naive(5, limit);
      let now = 0;
      let ids = 0;
      const running: Job[] = [];
      const waiting: Job[] = [];
      const fates = new Map<number, string>();
      const pump = (also: number[] = []) => {
        const started = [...also];
        for (let j = level.dispatch(now); j; j = level.dispatch(now)) {
          waiting.splice(waiting.indexOf(j), 1);
          running.push(j);
          started.push(j.id);
        }
        assert.deepEqual(started, naive.dispatch());
        for (const id of started) fates.set(id, 'started');
      };
      const check = () => {
        naive.pass(now);
        level.advance(now);
        // As whoever watches over nextReleaseMs does.
        pump();
        assert.equal(level.seatsInUse, naive.used());
        assert.ok(level.seatsInUse <= limit || running.length + naive.lingering.length === 1);
        assert.ok(Math.abs(level.meter - naive.meter) < 1e-6 * Math.max(1, naive.meter));
        // The level's own readings, so that no rounding makes two orders of one.
        for (const [i, q] of naive.queues.entries()) {
          assert.ok(
            Math.abs(q.start - level.queues[i]!.nextStart) < 1e-6 * Math.max(1, q.start) || level.queues[i]!.idle,
          );
          q.start = level.queues[i]!.nextStart;
        }
        naive.meter = level.meter;
        assert.equal(level.waiting, waiting.length);
        assert.equal(level.executing, running.length);
        assert.equal([...level.running()].length, running.length);
        // Work-conserving: whoever is next has no room, or there is nobody.
        if (waiting.length)
          assert.ok(level.seatsInUse > 0 && Math.max(...waiting.map(j => j.seats)) + level.seatsInUse > limit);
      };
      const act = (s: (typeof steps)[number]) => {
        naive.pass(now);
        level.advance(now);
        pump();
        if (s.type === 'arrive') {
          const job = new Job(ids++, ...(s.width as [number, number, number]));
          const arrival = level.arrive(job, dealHand(flowHash('s', String(s.flow)), 5, 2), now);
          fates.set(job.id, arrival);
          if (arrival === 'queue-full') return;
          naive.arrive(job, job.queue.index);
          if (arrival === 'started') {
            running.push(job);
            pump([job.id]);
          } else {
            waiting.push(job);
            pump();
          }
        } else if (s.type === 'finish' && running.length) {
          const [job] = running.splice(s.which % running.length, 1);
          level.finish(job!, now);
          naive.finish(job!, now - job!.startedMs);
          pump();
        } else if (s.type === 'leave' && waiting.length) {
          const [job] = waiting.splice(s.which % waiting.length, 1);
          level.leave(job!, 'time-out', now);
          fates.set(job!.id, 'left');
          for (const q of naive.queues) q.waiting = q.waiting.filter(j => j !== job);
          pump();
        } else if (s.type === 'pass') now += s.ms;
      };
      for (const s of steps) {
        act(s);
        check();
      }
      // Nothing is lost: all that waits runs in the end.
      while (running.length || waiting.length) {
        now += 50;
        act({ type: 'finish', which: 0 });
        check();
      }
      level.advance(now + 1000);
      assert.ok(level.idle);
      assert.equal(level.seatsInUse, 0);
      assert.equal(level.activeQueues, 0);
      assert.ok([...fates.values()].every(f => f !== 'waiting'));
    }),
    { numRuns: 300 },
  );
});

/** Flows that always have `depth` requests there; each runs for `ms(flow)`. Counts what each got done. */
function contend(
  level: Level<Job>,
  flows: readonly { hand: readonly number[]; depth: number; ms: number; seats: number }[],
  forMs: number,
) {
  const done = flows.map(() => 0);
  const there = flows.map(() => 0);
  const owner = new Map<Job, number>();
  const ends: { at: number; job: Job }[] = [];
  let ids = 0;
  for (let now = 0; now < forMs; now++) {
    for (const e of ends.splice(0)) {
      if (e.at > now) ends.push(e);
      else {
        const flow = owner.get(e.job)!;
        level.finish(e.job, now);
        done[flow]!++;
        there[flow]!--;
      }
    }
    for (const [i, f] of flows.entries())
      while (there[i]! < f.depth) {
        const job = new Job(ids++, f.seats);
        const arrival = level.arrive(job, f.hand, now);
        if (arrival === 'queue-full') break;
        there[i]!++;
        owner.set(job, i);
        if (arrival === 'started') ends.push({ at: now + f.ms, job });
      }
    for (let j = level.dispatch(now); j; j = level.dispatch(now))
      ends.push({ at: now + flows[owner.get(j)!]!.ms, job: j });
  }
  return done;
}

test('two flows of a level get the same time, however many requests they send and however long those take', () => {
  const level = new Level<Job>('l', queuing(2, 1), 4, 0);
  const [many, few] = contend(
    level,
    [
      { hand: [0], depth: 40, ms: 5, seats: 1 },
      { hand: [1], depth: 8, ms: 20, seats: 1 },
    ],
    4000,
  );
  assert.ok(Math.abs((many! * 5) / (few! * 20) - 1) < 0.1, `${many} ${few}`);
});

test('wide requests pay for their seats', () => {
  const level = new Level<Job>('l', queuing(2, 1), 8, 0);
  const [wide, plain] = contend(
    level,
    [
      { hand: [0], depth: 20, ms: 10, seats: 4 },
      { hand: [1], depth: 20, ms: 10, seats: 1 },
    ],
    4000,
  );
  const ratio = (wide! * 4) / plain!;
  assert.ok(ratio > 0.7 && ratio < 1.4, `${wide} ${plain}`);
});

test('a hog fills its own queues; a mouse that shares not all of them waits for hardly more than one request', () => {
  const level = new Level<Job>('l', queuing(16, 4, 10), 3, 0);
  const hog = dealHand(flowHash('s', 'hog'), 16, 4);
  const mouse = dealHand(flowHash('s', 'mouse'), 16, 4);
  assert.ok(mouse.some(q => !hog.includes(q)));
  const [, done] = contend(
    level,
    [
      { hand: hog, depth: 1000, ms: 10, seats: 1 },
      { hand: mouse, depth: 1, ms: 10, seats: 1 },
    ],
    3000,
  );
  // Alone it would get 300 done.
  assert.ok(done! > 130, String(done));
  assert.ok(level.rejected > 0);
});

test('who could not use all its seats has no claim on them later: a newcomer waits for what came before it at most', () => {
  const level = new Level<Job>('l', queuing(2, 1), 4, 0);
  const ends: { at: number; job: Job }[] = [];
  let newcomer: Job | undefined;
  let waited: number | undefined;
  for (let now = 0, id = 0; now < 6000 && waited === undefined; now++) {
    for (const e of ends.splice(0)) {
      if (e.at > now) ends.push(e);
      else level.finish(e.job, now);
    }
    // Three of four seats: one is always left over.
    while (level.waiting < 20) {
      const job = new Job(id++, 3);
      if (level.arrive(job, [0], now) === 'started') ends.push({ at: now + 10, job });
    }
    if (now === 5000) {
      newcomer = new Job(id++, 3);
      level.arrive(newcomer, [1], now);
    }
    for (let j = level.dispatch(now); j; j = level.dispatch(now)) {
      ends.push({ at: now + 10, job: j });
      if (j === newcomer) waited = now - 5000;
    }
  }
  assert.ok(waited !== undefined && waited <= 20 * 10 + 10, String(waited));
});

test('a level without queues refuses, an exempt one never does', () => {
  const rejecting = new Level<Job>('l', queuing(0, 0), 1, 0);
  assert.equal(rejecting.arrive(new Job(0), [], 0), 'started');
  assert.equal(rejecting.arrive(new Job(1), [], 0), 'concurrency-limit');
  const exempt = new Level<Job>('e', { ...queuing(0, 0), exempt: true }, 0, 0);
  for (let i = 0; i < 100; i++) assert.equal(exempt.arrive(new Job(i), [], 0), 'started');
  assert.equal(exempt.seatsInUse, 100);
});

test('queues that are no longer wanted empty themselves', () => {
  const level = new Level<Job>('l', queuing(8, 1), 1, 0);
  const jobs = [new Job(0), new Job(1)];
  level.arrive(jobs[0]!, [7], 0);
  level.arrive(jobs[1]!, [6], 0);
  level.reshape(queuing(2, 1), 1);
  assert.equal(level.queues.length, 8);
  level.finish(jobs[0]!, 2);
  assert.equal(level.dispatch(2), jobs[1]);
  level.finish(jobs[1]!, 3);
  assert.equal(level.queues.length, 2);
});

test('hands are dealt without doubles, evenly', () => {
  const seen = new Array<number>(16).fill(0);
  for (let i = 0; i < 2000; i++) {
    const hand = dealHand(flowHash('schema', `user-${i}`), 16, 4);
    assert.equal(new Set(hand).size, 4);
    for (const card of hand) seen[card]!++;
  }
  for (const n of seen) assert.ok(n > 400 && n < 600, String(seen));
});
