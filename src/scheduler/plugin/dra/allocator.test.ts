import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Node } from '../../../api/type/core-v1.ts';
import type { AllocationResult, Device, DeviceClass, ResourceSlice } from '../../../api/type/resource-v1.ts';
import { allocationOf } from './allocation.ts';
import { allocate, attributeOf, NotOnThisNode, type Pick } from './allocator.ts';
import { DeviceIndex } from './device-index.ts';
import { SelectorSets } from './device-selector.ts';
import { Ledger } from './ledger.ts';
import { wantedOf } from './wanted.ts';

const driver = 'd.example.com';
const node = (name = 'n', labels: Record<string, string> = {}) => ({ metadata: { name, labels } }) as unknown as Node;
const slice = (devices: readonly Device[], spec: object = {}, name = 's') =>
  ({
    metadata: { name },
    spec: { driver, pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n', devices, ...spec },
  }) as unknown as ResourceSlice;
const anyClass = { metadata: { name: 'any' }, spec: {} } as DeviceClass;
const sets = new SelectorSets();
const ask = (more: object = {}) => ({ deviceClassName: 'any', allocationMode: 'ExactCount', count: 1, ...more });
const request = (name: string, more: object = {}) => ({ name, exactly: ask(more) });

interface Setup {
  readonly slices: readonly ResourceSlice[];
  readonly held?: readonly AllocationResult[];
  readonly on?: Node;
}

function run(claims: readonly object[], { slices, held = [], on = node() }: Setup) {
  const index = new DeviceIndex();
  for (const s of slices) index.set(s);
  const ledger = new Ledger();
  for (const [i, allocation] of held.entries()) ledger.set(`held-${i}`, allocation);
  const wanted = claims.map((devices, i) => {
    const one = wantedOf(`ns/c${i}`, { devices }, { sets, classOf: () => anyClass });
    assert.ok(typeof one !== 'string', String(one));
    return one;
  });
  return { picks: allocate(wanted, { view: index.view(on), ledger }), ledger, index, wanted };
}

const names = (picks: Pick[][] | undefined) =>
  picks?.map(c => c.map(p => `${p.ask.name}=${p.entry.device.name}`).join(' '));
const context = { node: 'n', now: 'now', shareId: () => 'share' };

test('all devices: of complete pools, none taken, at least one', () => {
  const all = { requests: [request('r', { allocationMode: 'All', count: 0 })] };
  const two = slice([{ name: 'a' }, { name: 'b' }]);
  assert.deepEqual(names(run([all], { slices: [two] }).picks), ['r=a r=b']);
  const taken = { devices: { results: [{ request: 'r', driver, pool: 'p', device: 'b' }] } };
  assert.equal(run([all], { slices: [two], held: [taken] }).picks, undefined);
  const watching = { devices: { results: [{ ...taken.devices.results[0]!, adminAccess: true }] } };
  assert.deepEqual(names(run([all], { slices: [two], held: [watching] }).picks), ['r=a r=b']);
  const admin = { requests: [request('r', { allocationMode: 'All', count: 0, adminAccess: true })] };
  assert.deepEqual(names(run([admin], { slices: [two], held: [taken] }).picks), ['r=a r=b']);
  assert.equal(run([all], { slices: [slice([])] }).picks, undefined);
  const half = slice([{ name: 'a' }], { pool: { name: 'p', generation: 2, resourceSliceCount: 2 } });
  assert.throws(
    () => run([all], { slices: [half] }),
    /^Error: claim ns\/c0, request r: asks for all devices, but resource pool d\.example\.com\/p is currently being updated$/,
  );
  assert.equal(run([{ requests: [request('r')] }], { slices: [half] }).picks, undefined);
  const many = slice(Array.from({ length: 33 }, (_, i) => ({ name: `d${i}` })));
  assert.throws(() => run([all], { slices: [many] }), NotOnThisNode);
});

test('pools: the newest generation counts, in every node that reaches it', () => {
  const old = slice([{ name: 'old' }], {}, 's1');
  const pool = { name: 'p', generation: 2, resourceSliceCount: 1 };
  const now = slice(
    [
      { name: 'here', nodeName: 'n' },
      { name: 'zone', nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'z', operator: 'Exists' }] }] } },
      { name: 'all', allNodes: true },
    ],
    { pool, nodeName: undefined, perDeviceNodeSelection: true },
    's2',
  );
  const all = { requests: [request('r', { allocationMode: 'All', count: 0 })] };
  const on = (n: Node) => run([all], { slices: [old, now], on: n }).picks;
  assert.deepEqual(names(on(node('n', { z: '1' }))), ['r=here r=zone r=all']);
  const other = on(node('m', { z: '1' }));
  assert.deepEqual(names(other), ['r=zone r=all']);
  assert.deepEqual(allocationOf({}, other![0]!, context).nodeSelector, {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'z', operator: 'Exists' }] }],
  });
  assert.equal(allocationOf({}, on(node('k'))![0]!, context).nodeSelector, undefined);
  const twice = slice([{ name: 'x' }, { name: 'x' }]);
  assert.throws(
    () => run([{ requests: [request('r')] }], { slices: [twice] }),
    /pool .* is invalid: duplicate device name x/,
  );
});

test('tainted devices are for those who tolerate them', () => {
  const taints = [{ key: 'k', value: 'v', effect: 'NoSchedule' as const }];
  const slices = [
    slice([
      { name: 'a', taints },
      { name: 'b', taints: [{ key: 'k', effect: 'None' }] },
    ]),
  ];
  assert.deepEqual(names(run([{ requests: [request('r')] }], { slices }).picks), ['r=b']);
  const tolerations = [{ key: 'k', operator: 'Exists' }];
  const { picks } = run([{ requests: [request('r', { tolerations })] }], { slices });
  assert.deepEqual(names(picks), ['r=a']);
  assert.deepEqual(allocationOf({}, picks![0]!, context).devices?.results?.[0]?.tolerations, tolerations);
});

test('partitions share counters, with those already given away', () => {
  const part = (name: string, memory: string): Device => ({
    name,
    consumesCounters: [{ counterSet: 'gpu', counters: { memory: { value: memory } } }],
  });
  const pool = { name: 'p', generation: 1, resourceSliceCount: 2 };
  const slices = [
    slice([part('whole', '40Gi'), part('half-1', '20Gi'), part('half-2', '20Gi')], { pool }),
    slice(
      [],
      { pool, devices: undefined, sharedCounters: [{ name: 'gpu', counters: { memory: { value: '40Gi' } } }] },
      'c',
    ),
  ];
  const two = { requests: [request('r', { count: 2 })] };
  assert.deepEqual(names(run([two], { slices }).picks), ['r=half-1 r=half-2']);
  const held = [{ devices: { results: [{ request: 'r', driver, pool: 'p', device: 'half-2' }] } }];
  assert.equal(run([two], { slices, held }).picks, undefined);
  assert.deepEqual(names(run([{ requests: [request('r')] }], { slices, held }).picks), ['r=half-1']);
});

test('what is shared is consumed as its policy says', () => {
  const device = (requestPolicy: object): Device => ({
    name: 'nic',
    allowMultipleAllocations: true,
    capacity: { bandwidth: { value: '10', requestPolicy } },
  });
  const consumed = (policy: object, requests: object | undefined) => {
    const { picks } = run([{ requests: [request('r', requests ? { capacity: { requests } } : {})] }], {
      slices: [slice([device(policy)])],
    });
    return picks && allocationOf({}, picks[0]!, context).devices!.results![0]!.consumedCapacity;
  };
  const range = { default: '1', validRange: { min: '2', max: '8', step: '3' } };
  assert.deepEqual(consumed(range, undefined), { bandwidth: '1' });
  assert.deepEqual(consumed(range, { bandwidth: '1' }), { bandwidth: '2' });
  assert.deepEqual(consumed(range, { bandwidth: '4' }), { bandwidth: '5' });
  assert.equal(consumed(range, { bandwidth: '9' }), undefined);
  assert.deepEqual(consumed({ default: '1', validValues: ['1', '5'] }, { bandwidth: '2' }), { bandwidth: '5' });
  assert.equal(consumed({ default: '1', validValues: ['1', '5'] }, { bandwidth: '6' }), undefined);
  assert.equal(consumed(range, { other: '1' }), undefined);
  const slices = [slice([device({ default: '4' })])];
  assert.deepEqual(names(run([{ requests: [request('r', { count: 2 })] }], { slices }).picks), ['r=nic r=nic']);
  assert.equal(run([{ requests: [request('r', { count: 3 })] }], { slices }).picks, undefined);
  const distinct = { requests: [request('r', { count: 2 })], constraints: [{ distinctAttribute: `${driver}/id` }] };
  assert.equal(run([distinct], { slices }).picks, undefined);
});

test('a search without hope ends soon', () => {
  const many = Array.from({ length: 64 }, (_, i) => ({ name: `d${i}`, attributes: { k: { int: i % 3 } } }));
  const constraints = [{ matchAttribute: `${driver}/k` }];
  const none = { cel: { expression: `device.attributes["${driver}"].k > 5` } };
  const { picks } = run(
    [{ requests: [request('r', { count: 16 }), request('s', { count: 10, selectors: [none] })], constraints }],
    { slices: [slice(many)] },
  );
  assert.equal(picks, undefined);
});

// A naive twin: every choice of devices for every request, in order, checked as a whole.
type Rule = { requests: string[]; attribute: string; distinct: boolean };
interface Case {
  readonly devices: readonly { group: number; k: number | undefined; taken: boolean; units: number }[];
  readonly requests: readonly { count: number; group: number | undefined; admin: boolean }[];
  readonly rules: readonly Rule[];
  readonly units: number;
}

function* choices(n: number, count: number, from = 0): Generator<number[]> {
  if (count === 0) yield [];
  else for (let i = from; i < n; i++) for (const rest of choices(n, count - 1, i + 1)) yield [i, ...rest];
}

function naive({ devices, requests, rules, units }: Case, chosen: number[][] = []): number[][] | undefined {
  const r = requests[chosen.length];
  if (!r) return chosen;
  for (const pick of choices(devices.length, r.count)) {
    const next = [...chosen, pick];
    if (isGood({ devices, requests, rules, units }, next)) {
      const found = naive({ devices, requests, rules, units }, next);
      if (found) return found;
    }
  }
  return undefined;
}

function isGood({ devices, requests, rules, units }: Case, chosen: readonly number[][]): boolean {
  const mine = chosen.flatMap((pick, r) => (requests[r]!.admin ? [] : pick));
  if (new Set(mine).size < mine.length || mine.some(i => devices[i]!.taken)) return false;
  const used = [...mine, ...devices.keys().filter(i => devices[i]!.taken)].reduce(
    (sum, i) => sum + devices[i]!.units,
    0,
  );
  if (mine.some(i => devices[i]!.units > 0) && used > units) return false;
  for (const [r, pick] of chosen.entries())
    if (pick.some(i => requests[r]!.group !== undefined && devices[i]!.group !== requests[r]!.group)) return false;
  return rules.every(rule => {
    const values = chosen.flatMap((pick, r) => (rule.requests.includes(`r${r}`) ? pick.map(i => devices[i]!.k) : []));
    if (values.includes(undefined)) return false;
    return rule.distinct ? new Set(values).size === values.length : new Set(values).size <= 1;
  });
}

const cases: fc.Arbitrary<Case> = fc.record({
  devices: fc.array(
    fc.record({
      group: fc.nat(1),
      k: fc.option(fc.nat(2), { nil: undefined, freq: 6 }),
      taken: fc.boolean().map(b => b),
      units: fc.constantFrom(0, 0, 1, 2),
    }),
    { maxLength: 6 },
  ),
  requests: fc.array(
    fc.record({
      count: fc.integer({ min: 1, max: 3 }),
      group: fc.option(fc.nat(1), { nil: undefined }),
      admin: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  rules: fc.array(
    fc.record({
      requests: fc.subarray(['r0', 'r1', 'r2'], { minLength: 1 }),
      attribute: fc.constant('k'),
      distinct: fc.boolean(),
    }),
    { maxLength: 2 },
  ),
  units: fc.nat(4),
});

test('finds what trying everything finds', () => {
  fc.assert(
    fc.property(cases, c => {
      const devices = c.devices.map(
        ({ group, k, units }, i): Device => ({
          name: `d${i}`,
          attributes: { g: { int: group }, ...(k === undefined ? {} : { k: { int: k } }) },
          ...(units ? { consumesCounters: [{ counterSet: 'c', counters: { u: { value: `${units}` } } }] } : {}),
        }),
      );
      const sharedCounters = [{ name: 'c', counters: { u: { value: `${c.units}` } } }];
      const results = c.devices.flatMap((d, i) =>
        d.taken ? [{ request: 'x', driver, pool: 'p', device: `d${i}` }] : [],
      );
      const claim = {
        requests: c.requests.map(({ count, group, admin }, i) => {
          const expression = `device.attributes["${driver}"].g == ${group}`;
          return request(`r${i}`, {
            count,
            ...(admin ? { adminAccess: true } : {}),
            ...(group === undefined ? {} : { selectors: [{ cel: { expression } }] }),
          });
        }),
        constraints: c.rules.map(r => ({
          requests: r.requests,
          [r.distinct ? 'distinctAttribute' : 'matchAttribute']: `${driver}/k`,
        })),
      };
      const { picks } = run([claim], {
        slices: [slice(devices, { sharedCounters })],
        held: [{ devices: { results } }],
      });
      const found = picks?.[0]?.map(p => `${p.ask.name}=${p.entry.device.name}`);
      const wanted = naive(c)?.flatMap((pick, r) => pick.map(i => `r${r}=d${i}`));
      assert.deepEqual(found, wanted);
    }),
    { numRuns: 400 },
  );
});

test('the ledger is what is left after any order of taking and giving back', () => {
  const results = fc.array(
    fc.record({ device: fc.constantFrom('a', 'b', 'c'), share: fc.boolean(), amount: fc.nat(5) }),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.option(results, { nil: undefined })), { maxLength: 20 }), steps => {
      const ledger = new Ledger();
      const held = new Map<number, NonNullable<(typeof steps)[number][1]>>();
      for (const [claim, given] of steps) {
        if (given) held.set(claim, given);
        else held.delete(claim);
        const devices = given?.map(g => ({
          ...{ request: 'r', driver, pool: 'p', device: g.device },
          ...(g.share ? { shareID: 's', consumedCapacity: { m: `${g.amount}` } } : {}),
        }));
        ledger.set(`${claim}`, devices && { devices: { results: devices } });
      }
      for (const device of ['a', 'b', 'c']) {
        const mine = [...held.values()].flat().filter(h => h.device === device);
        const usage = ledger.usage(`${driver}/p/${device}`);
        assert.equal(usage?.alone ?? 0, mine.filter(m => !m.share).length);
        assert.equal(usage?.shares ?? 0, mine.filter(m => m.share).length);
        const amount = mine.reduce((sum, m) => sum + (m.share ? m.amount : 0), 0);
        assert.equal(usage?.consumed.get('m')?.value() ?? 0, amount);
      }
    }),
  );
});

test("attributes are the driver's own unless they say whose", () => {
  const device = { name: 'x', attributes: { a: { string: 'own' }, 'e.com/a': { version: '1.0.0' } } };
  assert.equal(attributeOf(device, driver, `${driver}/a`), 'sown');
  assert.equal(attributeOf(device, driver, 'e.com/a'), 'v1.0.0');
  assert.equal(attributeOf(device, driver, 'f.com/a'), undefined);
});
