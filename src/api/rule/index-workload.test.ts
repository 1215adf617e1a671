// The rules meet whatever decoding lets through: every field empty, every field present, lists of empty items.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyDefaults, normalize } from '../decode.ts';
import { cloneDeep, type KubeObject, type Mutable } from '../meta.ts';
import { builtinResources } from '../resource.ts';
import { schemaOf, type TypeRef } from '../schema.ts';
import { clusterStrategies } from './index-cluster.ts';
import { workloadStrategies } from './index-workload.ts';
import { create, ruleContext, update } from './testing.ts';

const SCALARS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int32: fc.constantFrom(-1, 0, 1, 80, 2147483647),
  int64: fc.constantFrom(-1, 0, 1, 600),
  double: fc.constantFrom(0, 1.5),
  Quantity: fc.constantFrom('0', '1', '-1', '500m', '1Gi', '10u'),
  IntOrString: fc.constantFrom(0, 1, 80, '25%', 'http', ''),
  Time: fc.constant('2026-01-01T00:00:00Z'),
  MicroTime: fc.constant('2026-01-01T00:00:00.000000Z'),
  bytes: fc.constant('YQ=='),
};
const WORDS = fc.constantFrom(
  '',
  'a',
  'A b',
  'a/b',
  'Always',
  'Exists',
  'In',
  'metadata.name',
  '0 * * * *',
  'Localhost',
  '10.0.0.1',
);
const KEYS = fc.constantFrom('a', 'cpu', 'memory', 'example.com/x', 'hugepages-2Mi', 'bad key');

function arbitraryOf(type: TypeRef, depth: number): fc.Arbitrary<unknown> {
  if (type.kind === 'scalar')
    return SCALARS[type.scalar] ?? (/^(any|object|RawExtension)$/.test(type.scalar) ? fc.constant({}) : WORDS);
  if (type.kind === 'list')
    return depth > 9 ? fc.constant([]) : fc.array(arbitraryOf(type.item, depth + 1), { maxLength: 2 });
  if (type.kind === 'map') return fc.dictionary(KEYS, arbitraryOf(type.value, depth + 1), { maxKeys: 2 });
  return structOf(type.name, depth + 1);
}

const absent = Symbol('absent');
const known = new Map<string, fc.Arbitrary<unknown>>();
function structOf(name: string, depth: number): fc.Arbitrary<unknown> {
  if (depth > 11) return fc.constant({});
  const id = `${name}/${depth}`;
  let made = known.get(id);
  if (!made) {
    // One field in three, so that whole objects stay small and only they are made; null stands for what Go writes as null.
    const { fields } = schemaOf(name);
    const values = fields.map(f =>
      fc.oneof(
        { weight: 14, arbitrary: fc.constant(absent) },
        { weight: 6, arbitrary: arbitraryOf(f.type, depth) },
        { weight: 1, arbitrary: fc.constant(null) },
      ),
    );
    made = fc
      .tuple(...values)
      .map(given => Object.fromEntries(fields.flatMap((f, i) => (given[i] === absent ? [] : [[f.name, given[i]]]))));
    known.set(id, made);
  }
  return made;
}

const gates = ['MaxUnavailableStatefulSet', 'ContainerStopSignals', 'TaintTolerationComparisonOperators'];

for (const [key, strategy] of Object.entries({ ...workloadStrategies, ...clusterStrategies })) {
  if (!strategy.validate) continue;
  const [group, name] = key.split('/') as [string, string];
  const resource = builtinResources().resources.find(r => r.group === group && r.resource === name)!;
  const type = resource.typeName;
  const spec = schemaOf(type).fields.find(f => f.name === 'spec')?.type ?? { kind: 'struct' as const, name: type };
  test(`no object makes the rules of ${key} throw`, () => {
    const decode = (value: unknown): Mutable<KubeObject> => {
      const wrapped = schemaOf(type).fields.some(f => f.name === 'spec') ? { spec: value } : (value as object);
      const object = normalize(type, { ...wrapped, metadata: { name: 'x', namespace: 'd', uid: 'u' } });
      applyDefaults(type, object);
      return object;
    };
    const body = structOf(spec.kind === 'struct' ? spec.name : type, 0);
    fc.assert(
      fc.property(body, body, (one, two) => {
        for (const overrides of [{}, Object.fromEntries(gates.map(g => [g, true]))]) {
          const first = create(strategy, decode(one), ruleContext('', overrides));
          const again = cloneDeep(first.object);
          strategy.default?.(again);
          assert.deepEqual(normalize(type, again), normalize(type, first.object), 'defaulting is idempotent');
          for (const sub of ['', 'status', 'ephemeralcontainers', 'resize']) {
            update(strategy, decode(two), first.object, ruleContext(sub, overrides));
            const same = update(strategy, first.object, first.object, ruleContext(sub, overrides));
            strategy.warnings?.(same.object, undefined, ruleContext(sub));
          }
        }
      }),
      { numRuns: 80 },
    );
  });
}
