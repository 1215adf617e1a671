import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineCutter, LogSelector, nanosecondsOf, parseLogLine, TailFinder } from './cri-log.ts';

const t1 = '2026-01-02T03:04:05.1Z';
const t2 = '2026-01-02T03:04:06.123456789+01:00';

function select(lines: string[], filter: ConstructorParameters<typeof LogSelector>[0]): string {
  const selector = new LogSelector(filter);
  return Buffer.concat(lines.flatMap(l => selector.take(Buffer.from(l)))).toString();
}

test('parses full, partial, empty and foreign lines', () => {
  const read = (line: string) => {
    const e = parseLogLine(Buffer.from(line));
    return e && [e.stream, e.partial, e.text.toString()];
  };
  assert.deepEqual(read(`${t1} stdout F hello world\n`), ['stdout', false, 'hello world\n']);
  assert.deepEqual(read(`${t1} stderr P:tag part\n`), ['stderr', true, 'part']);
  assert.deepEqual(read(`${t1} stdout F \n`), ['stdout', false, '\n']);
  assert.deepEqual(read(`${t1} stdout F\n`), ['stdout', false, '\n']);
  assert.deepEqual(read(`${t1} stdout F cut`), ['stdout', false, 'cut']);
  assert.equal(read('nonsense\n'), undefined);
  assert.equal(read(`${t1} stdin F x\n`), undefined);
});

test('tells times apart by the nanosecond', () => {
  assert.equal(nanosecondsOf('1970-01-01T00:00:01.000000002Z'), 1_000_000_002n);
  assert.equal(nanosecondsOf('1970-01-01T01:00:00+01:00'), 0n);
  assert.equal(nanosecondsOf('yesterday'), undefined);
});

test('selects by time, stream and amount, with times where lines begin', () => {
  const lines = [`${t1} stdout P ab\n`, `${t1} stdout F cd\n`, `${t2} stderr F err\n`];
  assert.equal(select(lines, {}), 'abcd\nerr\n');
  assert.equal(
    select(lines, { timestamps: true }),
    '2026-01-02T03:04:05.100000000Z abcd\n2026-01-02T03:04:06.123456789+01:00 err\n',
  );
  assert.equal(select(lines, { stream: 'stderr' }), 'err\n');
  assert.equal(select(lines, { lines: 2 }), 'abcd\n');
  assert.equal(select(lines, { bytes: 3 }), 'abc');
  // t2 is an hour before t1.
  assert.equal(select(lines, { sinceNs: nanosecondsOf(t1)! }), 'abcd\n');
  assert.equal(select(lines, { sinceNs: nanosecondsOf(t1)! + 1n }), '');
});

test('the tail begins where counting lines says, whatever the blocks', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a\n]{0,60}$/),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 9 }),
      (text, lines, size) => {
        const all = Buffer.from(text);
        const finder = new TailFinder(lines);
        let found: number | undefined;
        for (let end = all.length; end > 0 && found === undefined; end -= size)
          found = finder.add(all.subarray(Math.max(0, end - size), end), Math.max(0, end - size));
        const pieces = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        assert.equal(text.slice(found ?? 0), pieces.slice(-lines).join(''));
        const cutter = new LineCutter();
        const cut: Buffer[] = [];
        for (let at = 0; at < all.length; at += size) cut.push(...cutter.push(all.subarray(at, at + size)));
        const rest = cutter.rest();
        assert.deepEqual([...cut, ...(rest.length ? [rest] : [])].map(String), [...pieces]);
      },
    ),
  );
});
