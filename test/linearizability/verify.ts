// One order of all writes, the one that watches tell; everything else that was seen must fit it.
import assert from 'node:assert/strict';
import { checkLinearizable } from './checker.ts';
import { type ObjectOperation, objectModel, type Seen } from './object-model.ts';
import type { EventSeen, ListSeen, Recorded } from './recorder.ts';

const never = Number.POSITIVE_INFINITY;

/** Each event once, in order, each possible after the one before. */
export function verifyLog(log: readonly EventSeen[], initial: ReadonlyMap<string, Seen>): void {
  const there = new Set(initial.keys());
  let revision = 0;
  for (const event of log) {
    assert.ok(event.revision > revision, `${event.name}: ${event.type} at ${event.revision} behind ${revision}`);
    revision = event.revision;
    assert.equal(there.has(event.name), event.type !== 'ADDED', `${event.type} ${event.name} at ${event.revision}`);
    if (event.type === 'DELETED') there.delete(event.name);
    else there.add(event.name);
  }
}

/** Another watch saw of the log what lies between its start and its end, no more, no less. */
export function verifyWatch(log: readonly EventSeen[], events: readonly EventSeen[], from: number, to: number): void {
  assert.deepEqual(
    events.filter(e => e.revision <= to),
    log.filter(e => e.revision > from && e.revision <= to),
  );
}

/**
 * What came of each operation: of those nobody heard of, those in the log happened at its revision and the rest never
 * did. Throws when an answered write is not in the log exactly once, or something is that nobody asked for.
 */
export function resolve(operations: readonly Recorded[], log: readonly EventSeen[]): (Recorded & { at?: number })[] {
  const byValue = new Map<string, EventSeen>();
  const deletions = new Map<string, EventSeen>();
  const revisionOf = new Map<string, number>();
  for (const event of log) {
    if (event.type === 'DELETED') deletions.set(`${event.name}@${revisionOf.get(event.name) ?? 0}`, event);
    else {
      assert.ok(!byValue.has(event.value), `the write of ${event.value} shows twice`);
      byValue.set(event.value, event);
      revisionOf.set(event.name, event.revision);
    }
  }
  const happened = new Set<EventSeen>();
  const take = (event: EventSeen): number => {
    assert.ok(!happened.has(event), `two writes made ${event.type} ${event.name} at ${event.revision}`);
    happened.add(event);
    return event.revision;
  };
  const eventOf = (name: string, op: ObjectOperation) => {
    if (op.kind === 'get') return undefined;
    return op.kind === 'delete' ? deletions.get(`${name}@${op.ifRevision}`) : byValue.get(op.value);
  };
  // First those that were answered: a deletion that two asked for is whose answer says so.
  const resolved: (Recorded & { at?: number })[] = [];
  const unheard: Recorded[] = [];
  for (const recorded of operations) {
    const { name, operation: op } = recorded;
    if (op.kind === 'get') resolved.push(recorded);
    else if (op.result === 'unknown') unheard.push(recorded);
    else if (typeof op.result === 'number' || op.result === 'done') {
      const event = eventOf(name, op);
      assert.ok(event, `${JSON.stringify(op)} of ${name} was answered, but no watch tells of it`);
      if (typeof op.result === 'number') assert.equal(event.revision, op.result, `the revision of ${op.kind} ${name}`);
      assert.equal(event.name, name);
      resolved.push({ ...recorded, at: take(event) });
    } else {
      if (op.kind !== 'delete')
        assert.ok(!byValue.has(op.value), `${JSON.stringify(op)} of ${name} was refused, but shows`);
      resolved.push(recorded);
    }
  }
  for (const recorded of unheard) {
    const event = eventOf(recorded.name, recorded.operation);
    if (!event || happened.has(event)) continue;
    const op = recorded.operation as Exclude<ObjectOperation, { kind: 'get' }>;
    const result = op.kind === 'delete' ? 'done' : event.revision;
    resolved.push({ ...recorded, operation: { ...op, result } as ObjectOperation, at: take(event) });
  }
  for (const event of log)
    assert.ok(happened.has(event), `${event.type} ${event.name} at ${event.revision}: by nobody`);
  return resolved;
}

/** Revisions agree with time: what was called after a write or list had returned shows or makes no older state. */
export function verifyTime(
  writes: readonly { callMs: number; returnMs: number; at?: number }[],
  lists: readonly ListSeen[],
): void {
  const moments = [
    ...writes.filter(w => w.at !== undefined).map(w => ({ ...w, at: w.at!, isWrite: true })),
    ...lists.map(l => ({ callMs: l.callMs, returnMs: l.returnMs, at: l.revision, isWrite: false })),
  ];
  const returned = moments.filter(m => m.returnMs !== never).sort((a, b) => a.returnMs - b.returnMs);
  let next = 0;
  let newest = 0;
  for (const moment of moments.sort((a, b) => a.callMs - b.callMs)) {
    for (; next < returned.length && returned[next]!.returnMs < moment.callMs; next++)
      newest = Math.max(newest, returned[next]!.at);
    const what = moment.isWrite ? 'a write got' : 'a list showed';
    assert.ok(
      moment.isWrite ? moment.at > newest : moment.at >= newest,
      `${what} ${moment.at} after ${newest} was told`,
    );
  }
}

/** Every list is what the log gives at its revision. */
export function verifyLists(
  log: readonly EventSeen[],
  initial: ReadonlyMap<string, Seen>,
  lists: readonly ListSeen[],
): void {
  const now = new Map(initial);
  let next = 0;
  for (const list of [...lists].sort((a, b) => a.revision - b.revision)) {
    for (; next < log.length && log[next]!.revision <= list.revision; next++) {
      const { type, name, revision, value } = log[next]!;
      if (type === 'DELETED') now.delete(name);
      else now.set(name, { revision, value });
    }
    const sorted = (m: ReadonlyMap<string, Seen>) => [...m].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(sorted(list.objects), sorted(now), `a list at ${list.revision}`);
  }
}

/** Every object's own history has an order. The operations checked. */
export function verifyObjects(operations: readonly Recorded[]): number {
  for (const [name, history] of Map.groupBy(operations, o => o.name)) {
    const verdict = checkLinearizable(objectModel, history);
    if (!verdict.ok)
      assert.fail(
        `${name} has no order. Before: ${JSON.stringify(verdict.order.slice(-5))} then none of ${JSON.stringify(verdict.stuck)}`,
      );
  }
  return operations.length;
}
