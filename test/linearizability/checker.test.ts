import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../src/base/random.ts';
import { checkLinearizable, type Model, type Span } from './checker.ts';
import { type ObjectOperation, type ObjectState, objectModel } from './object-model.ts';

const never = Number.POSITIVE_INFINITY;
const span = <O>(callMs: number, returnMs: number, operation: O): Span<O> => ({ callMs, returnMs, operation });

type Register = { write: number } | { read: number };
const register: Model<number, Register> = {
  initial: 0,
  name: String,
  step: (state, op) => ('write' in op ? op.write : op.read === state ? state : undefined),
};

/** The same question, by trying every order. */
function everyOrder<S, O>(model: Model<S, O>, history: readonly Span<O>[]): boolean {
  const go = (state: S, left: readonly Span<O>[]): boolean =>
    left.every(s => s.returnMs === never) ||
    left.some(s => {
      if (left.some(other => other.returnMs < s.callMs)) return false;
      const next = model.step(state, s.operation);
      return (
        next !== undefined &&
        go(
          next,
          left.filter(other => other !== s),
        )
      );
    });
  return go(model.initial, history);
}

const time = fc.integer({ min: 0, max: 12 });
const registerOperation: fc.Arbitrary<Register> = fc.oneof(
  fc.record({ write: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ read: fc.integer({ min: 0, max: 2 }) }),
);
const revision = fc.integer({ min: 1, max: 4 });
const value = fc.constantFrom('a', 'b');
const objectOperation: fc.Arbitrary<ObjectOperation> = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    value,
    result: fc.oneof(revision, fc.constantFrom('exists' as const, 'unknown' as const)),
  }),
  fc.record({
    kind: fc.constant('update' as const),
    value,
    ifRevision: revision,
    result: fc.oneof(revision, fc.constantFrom('conflict' as const, 'absent' as const, 'unknown' as const)),
  }),
  fc.record({
    kind: fc.constant('delete' as const),
    ifRevision: revision,
    result: fc.constantFrom('done' as const, 'conflict' as const, 'absent' as const, 'unknown' as const),
  }),
  fc.record({
    kind: fc.constant('get' as const),
    result: fc.oneof(fc.record({ revision, value }), fc.constant('absent' as const)),
  }),
);
const historyOf = <O>(operation: fc.Arbitrary<O>) =>
  fc.array(
    fc
      .record({ callMs: time, tookMs: fc.oneof(time, fc.constant(never)), operation })
      .map(({ callMs, tookMs, operation }) => span(callMs, callMs + tookMs, operation)),
    { maxLength: 6 },
  );

test('the search agrees with trying every order', () => {
  let refused = 0;
  let accepted = 0;
  const agrees = <S, O>(model: Model<S, O>, history: Span<O>[]) => {
    const verdict = checkLinearizable(model, history);
    assert.equal(verdict.ok, everyOrder(model, history));
    if (verdict.ok) accepted++;
    else refused++;
  };
  fc.assert(
    fc.property(historyOf(registerOperation), history => agrees(register, history)),
    { numRuns: 600 },
  );
  fc.assert(
    fc.property(historyOf(objectOperation), history => agrees(objectModel, history)),
    { numRuns: 600 },
  );
  assert.ok(refused > 100 && accepted > 100, `${refused} refused, ${accepted} accepted`);
});

test('an accepted order is one: in real time, and answered so', () => {
  fc.assert(
    fc.property(historyOf(registerOperation), history => {
      const verdict = checkLinearizable(register, history);
      if (!verdict.ok) return;
      let state: number | undefined = register.initial;
      const at = verdict.order.map(op => history.find(s => s.operation === op)!);
      for (const [i, s] of at.entries()) {
        state = register.step(state!, s.operation);
        assert.notEqual(state, undefined);
        assert.ok(at.slice(i + 1).every(later => later.returnMs >= s.callMs));
      }
      const left = history.filter(s => !at.includes(s));
      assert.ok(left.every(s => s.returnMs === never));
    }),
  );
});

/** A real object, served one operation at a time at random moments, by clients that some answers never reach. */
function servedHistory(seed: number, clients: number, operations: number): Span<ObjectOperation>[] {
  const random = seededRandom(seed);
  const history: Span<ObjectOperation>[] = [];
  let state: ObjectState = objectModel.initial;
  let newest = 0;
  let values = 0;
  const freeAt = Array.from({ length: clients }, () => 0);
  const last = Array.from({ length: clients }, () => 0);
  let now = 0;
  for (let n = 0; n < operations; n++) {
    const who = Math.floor(random.next() * clients);
    now += random.next();
    const callMs = Math.max(freeAt[who]!, now - random.next() * 5);
    now = Math.max(now, callMs);
    const returnMs = now + random.next() * 5;
    freeAt[who] = returnMs + 0.001;
    const dice = random.next();
    const there = state.value !== undefined;
    let operation: ObjectOperation;
    const write = (value: string) => {
      state = { value, revision: ++newest, after: newest };
      last[who] = newest;
      return newest;
    };
    const next = `v${values++}`;
    if (dice < 0.3) {
      if (there) last[who] = state.revision!;
      operation = { kind: 'get', result: there ? { revision: state.revision!, value: state.value! } : 'absent' };
    } else if (dice < 0.5) operation = { kind: 'create', value: next, result: there ? 'exists' : write(next) };
    else if (dice < 0.85) {
      const ifRevision = last[who]!;
      const result = !there ? 'absent' : state.revision !== ifRevision ? 'conflict' : write(next);
      operation = { kind: 'update', value: next, ifRevision, result };
    } else {
      const ifRevision = last[who]!;
      const result = !there ? 'absent' : state.revision !== ifRevision ? 'conflict' : 'done';
      if (result === 'done') state = { value: undefined, revision: undefined, after: ++newest };
      operation = { kind: 'delete', ifRevision, result };
    }
    const lost = operation.kind !== 'get' && random.next() < 0.01;
    if (lost) history.push(span(callMs, never, { ...operation, result: 'unknown' } as ObjectOperation));
    else history.push(span(callMs, returnMs, operation));
  }
  return history;
}

test('what one server answered is accepted, with hundreds of operations and lost answers', () => {
  fc.assert(
    fc.property(fc.nat(), seed => {
      const verdict = checkLinearizable(objectModel, servedHistory(seed, 8, 250));
      assert.ok(verdict.ok, JSON.stringify(verdict));
    }),
    { numRuns: 40 },
  );
});

test('a read that goes back to a value already replaced is refused in hundreds of operations', () => {
  let tried = 0;
  fc.assert(
    fc.property(fc.nat(), seed => {
      const history = servedHistory(seed, 6, 200);
      const reads = history.filter(s => s.operation.kind === 'get' && s.operation.result !== 'absent');
      // The last read shows what the first showed, though another read has returned something newer in between.
      const [first, second] = [reads[0], reads.at(-1)];
      if (!first || !second || reads.length < 3) return;
      const old = first.operation as Extract<ObjectOperation, { kind: 'get' }>;
      const newer = second.operation as Extract<ObjectOperation, { kind: 'get' }>;
      if ((old.result as { revision: number }).revision === (newer.result as { revision: number }).revision) return;
      tried++;
      history.push(span(1e9, 1e9 + 1, old));
      assert.equal(checkLinearizable(objectModel, history).ok, false);
    }),
    { numRuns: 40 },
  );
  assert.ok(tried > 10);
});

const create = (value: string, result: number | 'exists' | 'unknown'): ObjectOperation => ({
  kind: 'create',
  value,
  result,
});
const update = (
  ifRevision: number,
  value: string,
  result: number | 'conflict' | 'absent' | 'unknown',
): ObjectOperation => ({
  kind: 'update',
  ifRevision,
  value,
  result,
});
const remove = (ifRevision: number, result: 'done' | 'conflict' | 'absent' | 'unknown'): ObjectOperation => ({
  kind: 'delete',
  ifRevision,
  result,
});
const get = (revision: number, value: string): ObjectOperation => ({ kind: 'get', result: { revision, value } });
const none: ObjectOperation = { kind: 'get', result: 'absent' };

test('histories that must be refused', () => {
  const cases: Record<string, Span<ObjectOperation>[]> = {
    'an answered write is lost': [span(0, 1, create('a', 1)), span(2, 3, none)],
    'a read is stale': [span(0, 1, create('a', 1)), span(2, 3, update(1, 'b', 2)), span(4, 5, get(1, 'a'))],
    'two creates succeed': [span(0, 5, create('a', 1)), span(0, 5, create('b', 2))],
    'two updates of one revision succeed': [
      span(0, 1, create('a', 1)),
      span(2, 6, update(1, 'b', 2)),
      span(2, 6, update(1, 'c', 3)),
    ],
    'a value nobody wrote': [span(0, 1, create('a', 1)), span(2, 3, get(1, 'b'))],
    'a write shows at two revisions': [span(0, 1, create('a', 1)), span(2, 3, get(2, 'a'))],
    'reads go back': [
      span(0, 1, create('a', 1)),
      span(2, never, update(1, 'b', 'unknown')),
      span(3, 4, get(2, 'b')),
      span(5, 6, get(1, 'a')),
    ],
    'revisions go back': [span(0, 1, create('a', 5)), span(2, 3, remove(5, 'done')), span(4, 5, create('b', 3))],
    'a conflict without cause': [span(0, 1, create('a', 1)), span(2, 3, update(1, 'b', 'conflict'))],
    'deleted twice': [span(0, 1, create('a', 1)), span(2, 9, remove(1, 'done')), span(2, 9, remove(1, 'done'))],
    'a write answered unknown shows before it was asked': [
      span(0, 1, get(1, 'a')),
      span(2, never, create('a', 'unknown')),
    ],
    'refused, but there': [span(0, 1, create('a', 1)), span(2, 3, create('b', 'exists')), span(4, 5, get(2, 'b'))],
  };
  for (const [name, history] of Object.entries(cases)) {
    assert.equal(checkLinearizable(objectModel, history).ok, false, name);
    assert.equal(everyOrder(objectModel, history), false, name);
  }
});

test('a refusal tells how far it got and what could not come next', () => {
  const stale = get(1, 'a');
  const verdict = checkLinearizable(objectModel, [
    span(0, 1, create('a', 1)),
    span(2, 3, update(1, 'b', 2)),
    span(4, 5, stale),
  ]);
  assert.deepEqual(verdict, { ok: false, order: [create('a', 1), update(1, 'b', 2)], stuck: [stale] });
});
