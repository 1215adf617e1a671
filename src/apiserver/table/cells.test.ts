// All cells of every kind the facts have columns for, bare and in some states.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFacts } from '../../api/resource.ts';
import { printerOf } from './printers.ts';
import { ago, named, now } from './test-cells.ts';
import { controlStates } from './test-control-cells.ts';
import { workloadStates } from './test-workload-cells.ts';

const states = { ...workloadStates, ...controlStates };

interface KindFacts {
  readonly k: string;
  readonly g: readonly string[];
  readonly unused?: 1;
  readonly cols: readonly (readonly [name: string])[];
}
const facts = readFacts<{ kinds: readonly KindFacts[]; default: { kinds: readonly [string, string][] } }>(
  'columns.json',
);
const used = facts.kinds.filter(f => !f.unused);

test('every kind shows what its columns say, in every state', () => {
  assert.deepEqual(Object.keys(states).sort(), used.map(f => f.k).sort());
  for (const { k: kind, g } of used)
    for (const group of g)
      for (const [object, ...cells] of states[kind]!) {
        const whole = { ...named({}), ...object } as never;
        assert.deepEqual(printerOf({ group, kind }).cells(whole, now), cells, `${kind} ${JSON.stringify(object)}`);
      }
});

test('no cell is shown with one value alone', () => {
  for (const { k, cols } of used)
    for (const [i, [name]] of cols.entries()) {
      if (name === 'Name' || name === 'Age') continue;
      assert.ok(new Set(states[k]!.map(([, ...cells]) => cells[i])).size > 1, `${k}.${name}`);
    }
});

test('kinds without columns of their own show when they were made', () => {
  for (const [group, kind] of facts.default.kinds) {
    const printer = printerOf({ group, kind });
    assert.deepEqual(
      printer.columns.map(c => c.name),
      ['Name', 'Created At'],
    );
    assert.deepEqual(printer.cells(named({}) as never, now), ['x', ago(300)], kind);
  }
});
