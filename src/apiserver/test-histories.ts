// Histories at random of an object that several managers write in every way there is, and what came of each step, for
// testdata/apply-histories.jsonl (test/interop/record-histories.ts asks apiextensions-apiserver again).
import { seededRandom } from '../base/random.ts';
import type { Json } from './test-caller.ts';
import type { History, How, Step } from './test-step.ts';
import type { World } from './test-worlds.ts';

class Chance {
  readonly #random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below = (n: number): number => Math.floor(this.#random.next() * n);
  /** True `n` times in 100. */
  in100 = (n: number): boolean => this.below(100) < n;
  pick = <T>(items: readonly T[]): T => items[this.below(items.length)]!;
  some = <T>(items: readonly T[]): T[] => items.filter(() => this.in100(45));
  /** As `some`, in any order. */
  mixed = <T>(items: readonly T[]): T[] => {
    const out: T[] = [];
    for (const one of this.some(items)) out.splice(this.below(out.length + 1), 0, one);
    return out;
  };
}

const letters = ['a', 'b', 'c'];
const names = ['a', 'b', 'c', 'd', 'e'];

function mapFrom(c: Chance, value: () => Json): Json {
  return Object.fromEntries(c.some(letters).map(key => [key, value()]));
}

type Maker = (c: Chance) => Json;
const short: Maker = c => c.pick(['1', '2']);

const innerItem: Maker = c => ({
  ...(c.in100(50) ? { q: c.pick(['TCP', 'UDP']) } : {}),
  ...(c.in100(60) ? { t: short(c) } : {}),
  ...(c.in100(40) ? { u: short(c) } : {}),
});

function innerList(c: Chance): Json[] {
  const seen = new Set<string>();
  return c
    .mixed([1, 2, 1, 2])
    .map(p => ({ p, ...innerItem(c) }))
    .filter(({ p, q = 'TCP' }: Json) => !seen.has(`${p}${q}`) && seen.add(`${p}${q}`));
}

const keyedList: Maker = c =>
  c.mixed(names).map(k => ({
    k,
    ...(c.in100(50) ? { v: short(c) } : {}),
    ...(c.in100(50) ? { inner: innerList(c) } : {}),
    ...(c.in100(30) ? { tags: c.mixed(letters) } : {}),
    ...(c.in100(25) ? { plain: c.mixed(letters) } : {}),
  }));

const free: Maker = c => ({
  ...(c.in100(50) ? { a: c.pick([1, '1', [1, 2], [{ x: 1 }], { x: 1 }, { x: { y: 1 } }, null, {}, []]) } : {}),
  ...(c.in100(50) ? { b: { x: short(c), ...(c.in100(50) ? { y: short(c) } : {}) } } : {}),
});

export const specFields: Readonly<Record<string, Maker>> = {
  s: short,
  n: c => c.below(3),
  replicas: c => 1 + c.below(3),
  filled: c => c.pick(['x', 'y']),
  port: c => c.pick([80, '80', 81]),
  map: c => mapFrom(c, () => short(c)),
  atomicMap: c => mapFrom(c, () => short(c)),
  list: c => c.mixed(letters),
  set: c => c.mixed(names),
  numbers: c => c.mixed([1, 2, 10]),
  keyed: keyedList,
  deep: c => ({
    ...(c.in100(60) ? { a: { ...(c.in100(60) ? { b: short(c) } : {}), ...(c.in100(60) ? { c: short(c) } : {}) } } : {}),
    ...(c.in100(40) ? { d: short(c) } : {}),
  }),
  maps: c => mapFrom(c, () => ({ ...(c.in100(60) ? { x: short(c) } : {}), ...(c.in100(40) ? { y: short(c) } : {}) })),
  lists: c => mapFrom(c, () => c.mixed(letters)),
  free,
};

export const statusFields: Readonly<Record<string, Maker>> = {
  phase: short,
  replicas: c => 1 + c.below(3),
  conditions: c =>
    c.mixed(names).map(type => ({
      type,
      ...(c.in100(70) ? { status: short(c) } : {}),
      ...(c.in100(30) ? { reason: short(c) } : {}),
    })),
  addresses: c => c.mixed(letters).map(ip => ({ ip })),
};

const owner = (uid: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name: uid, uid });

export const metadataFields: Readonly<Record<string, Maker>> = {
  labels: c => mapFrom(c, () => short(c)),
  annotations: c => mapFrom(c, () => short(c)),
  finalizers: c => c.mixed(['k8ts.dev/a', 'k8ts.dev/b']),
  ownerReferences: c =>
    c.mixed(letters).map(uid => ({ ...owner(uid), ...(c.in100(20) ? { blockOwnerDeletion: true } : {}) })),
};

function someFields(c: Chance, fields: Readonly<Record<string, Maker>>, in100: number): Json {
  const out: Json = {};
  for (const [name, make] of Object.entries(fields)) if (c.in100(in100)) out[name] = make(c);
  return out;
}

function content(c: Chance): Json {
  const dense = c.pick([0, 12, 25]);
  return {
    ...(c.in100(40) ? { metadata: someFields(c, metadataFields, 35) } : {}),
    ...(c.in100(90) ? { spec: someFields(c, specFields, dense) } : {}),
    ...(c.in100(20) ? { data: mapFrom(c, () => short(c)) } : {}),
    ...(c.in100(25) ? { status: someFields(c, statusFields, 40) } : {}),
  };
}

/** Some of it is taken out. */
function holes(c: Chance, patch: Json): Json {
  for (const part of Object.values(patch) as Json[]) {
    for (const key of Object.keys(part)) {
      if (c.in100(35)) part[key] = null;
      else if (['map', 'maps', 'lists', 'labels', 'deep', 'free'].includes(key))
        for (const name of c.some(Object.keys(part[key]))) part[key][name] = null;
    }
  }
  return patch;
}

const scale: Maker = c => ({ apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas: c.below(3) } });

const operations: Maker = c =>
  c.some([
    { op: 'add', path: '/spec/s', value: short(c) },
    { op: 'add', path: '/spec/set', value: c.mixed(letters) },
    { op: 'add', path: '/spec/keyed', value: keyedList(c) },
    { op: 'add', path: '/metadata/labels', value: mapFrom(c, () => short(c)) },
    { op: 'add', path: '/spec/map', value: mapFrom(c, () => short(c)) },
  ]);

const managed = (c: Chance, apiVersion: string): Json =>
  c.pick<Json>([
    [{}],
    [{}],
    [],
    [{ manager: 'a' }],
    [
      {
        manager: 'a',
        operation: 'Update',
        apiVersion,
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:s': {} } },
      },
    ],
    [
      {
        manager: 'b',
        operation: 'Apply',
        apiVersion,
        time: '2001-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:map': { '.': {}, 'f:a': {} }, 'f:set': { 'v:"a"': {} } } },
      },
    ],
  ]);

const managers = ['a', 'b', 'c'];

function step(c: Chance, first: boolean, { group, versions, scales, say }: World): Step {
  const version = c.pick(versions);

  const common = { by: c.pick(managers), version, ...(c.in100(6) ? { dry: true as const } : {}) };
  const how: How = first
    ? c.pick(['create', 'apply', 'apply'] as const)
    : c.pick([
        'apply',
        'apply',
        'apply',
        'apply',
        'apply',
        'apply',
        'put',
        'edit',
        'edit',
        'merge',
        'merge',
        'json',
        'delete',
        'create',
      ] as const);
  if (how === 'delete') return { ...common, how };
  if (how === 'create') return { ...common, how, body: say(content(c), version) };
  const at = c.pick(
    first
      ? [undefined]
      : ([
          undefined,
          undefined,
          undefined,
          undefined,
          undefined,
          'status',
          'status',
          ...(scales ? (['scale'] as const) : []),
        ] as const),
  );
  const where = at ? { at } : {};
  const force = how === 'apply' && c.in100(45) ? { force: true as const } : {};
  // An apply of a Scale changes no custom resource of Kubernetes: it looks for version autoscaling/v1 of the kind, and fails.
  if (at === 'scale') return { ...common, how: how === 'put' ? how : 'merge', ...where, body: scale(c) };
  if (how === 'json') return { ...common, how, ...where, body: operations(c) };
  const made = content(c);
  if (at === 'status') made.status ??= someFields(c, statusFields, 50);
  if (how === 'apply') return { ...common, how, ...where, ...force, body: say(made, version) };
  if (how === 'put') return { ...common, how, ...where, body: say(made, version) };
  const body = say(holes(c, made), version);
  if (c.in100(8)) body.metadata = { ...body.metadata, managedFields: managed(c, `${group}/${version}`) };
  return { ...common, how, ...where, body };
}

export function historyOf(seed: number, world: World): History {
  if (world.histories) return world.histories[seed]!;
  const c = new Chance(seed);
  const count = 3 + c.below(8);
  return { seed, steps: Array.from({ length: count }, (_, i) => step(c, i === 0, world)) };
}
