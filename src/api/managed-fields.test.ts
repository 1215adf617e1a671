import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCanonicalPart } from './canonical-part.ts';
import { applyDefaults, normalize } from './decode.ts';
import { fieldsOf, shapeOf } from './field-diff.ts';
import {
  compareElements,
  difference,
  type FieldSet,
  has,
  intersection,
  intersects,
  isEmptySet,
  membersOf,
  nodeOf,
  parseFieldSet,
  recursiveDifference,
  setOfPath,
  union,
  withoutPrefix,
} from './field-set.ts';
import { type ManagedFieldsUpdate, updateManagedFields } from './managed-fields.ts';
import type { KubeObject } from './meta.ts';
import type { ManagedFieldsEntry } from './type/meta-v1.ts';

const core = (name: string) => `io.k8s.api.core.v1.${name}`;
const deployment = 'io.k8s.api.apps.v1.Deployment';
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;

const make = (typeName: string, value: unknown): KubeObject => {
  const object = normalize(typeName, value);
  applyDefaults(typeName, object);
  return object as KubeObject;
};

/** A tiny server: each write keeps managedFields. */
class Server {
  object: KubeObject | undefined;
  #second = 0;
  readonly typeName: string;
  readonly apiVersion: string;

  constructor(typeName: string, apiVersion = 'v1') {
    this.typeName = typeName;
    this.apiVersion = apiVersion;
  }

  write(manager: string, value: unknown, subresource = ''): readonly ManagedFieldsEntry[] {
    const updated = make(this.typeName, value);
    const update: ManagedFieldsUpdate = {
      typeName: this.typeName,
      old: this.object,
      updated,
      manager,
      operation: 'Update',
      apiVersion: this.apiVersion,
      subresource,
      time: at(this.#second++),
    };
    const managedFields = updateManagedFields(update);
    this.object = { ...updated, metadata: { ...updated.metadata, managedFields: [...managedFields] } };
    return managedFields;
  }
}

const fieldsBy = (entries: readonly ManagedFieldsEntry[], manager: string) =>
  JSON.stringify(entries.find(e => e.manager === manager)?.fieldsV1 ?? null);

test('a created Deployment is owned as Kubernetes shows it', () => {
  const server = new Server(deployment, 'apps/v1');
  const entries = server.write('kubectl-create', {
    metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'nginx',
              image: 'nginx',
              ports: [{ containerPort: 8080 }, { containerPort: 443, protocol: 'TCP' }],
              env: [{ name: 'A', value: 'b' }],
            },
          ],
          restartPolicy: 'Always',
          securityContext: {},
        },
      },
    },
    status: { replicas: 3 },
  });
  assert.deepEqual(entries.length, 1);
  assert.deepEqual(
    { ...entries[0], fieldsV1: undefined },
    {
      manager: 'kubectl-create',
      operation: 'Update',
      apiVersion: 'apps/v1',
      time: at(0),
      fieldsType: 'FieldsV1',
      fieldsV1: undefined,
    },
  );
  assert.deepEqual(
    JSON.stringify(entries[0]!.fieldsV1),
    JSON.stringify({
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': {
        'f:replicas': {},
        'f:selector': {},
        'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} }, 'f:type': {} },
        'f:template': {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': {
            'f:containers': {
              'k:{"name":"nginx"}': {
                '.': {},
                'f:env': { '.': {}, 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
                'f:image': {},
                'f:name': {},
                'f:ports': {
                  '.': {},
                  'k:{"containerPort":443,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
                  'k:{"containerPort":8080,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
                },
                'f:resources': {},
              },
            },
            'f:restartPolicy': {},
            'f:securityContext': {},
          },
        },
      },
    }),
  );
});

test('ownership moves to who changes a value; what goes leaves every entry', () => {
  const server = new Server(core('ConfigMap'));
  server.write('a', { metadata: { name: 'c' }, data: { x: '1', y: '1' } });
  let entries = server.write('b', { metadata: { name: 'c' }, data: { x: '2', y: '1', z: '1' } });
  assert.equal(fieldsBy(entries, 'a'), '{"f:data":{".":{},"f:y":{}}}');
  assert.equal(fieldsBy(entries, 'b'), '{"f:data":{"f:x":{},"f:z":{}}}');
  assert.deepEqual(
    entries.map(e => e.time),
    [at(0), at(1)],
  );
  entries = server.write('b', { metadata: { name: 'c' }, data: { x: '2' } });
  assert.equal(fieldsBy(entries, 'a'), '{"f:data":{}}');
  assert.equal(fieldsBy(entries, 'b'), '{"f:data":{"f:x":{}}}');
  assert.deepEqual(
    entries.map(e => e.time),
    [at(0), at(1)],
    'who takes fields away has not written what is left',
  );
  entries = server.write('c', { metadata: { name: 'c' } });
  assert.deepEqual(entries, []);
  assert.deepEqual(server.write('c', { metadata: { name: 'c' }, data: { x: '1' } }), []);
});

test('nothing changes when nothing changes, and a changed value renews the time', () => {
  const server = new Server(core('ConfigMap'));
  const first = server.write('a', { metadata: { name: 'c' }, data: { x: '1' } });
  const again = server.write('b', { metadata: { name: 'c', resourceVersion: '9' }, data: { x: '1' } });
  assert.deepEqual(again, first);
  const renewed = server.write('a', { metadata: { name: 'c' }, data: { x: '2' } });
  assert.equal(renewed[0]!.time, at(2));
  assert.deepEqual(renewed[0]!.fieldsV1, first[0]!.fieldsV1);
});

test('status has an entry of its own; spec and status do not reach across', () => {
  const server = new Server(core('Pod'));
  const pod = (status: unknown, image = 'i') => ({
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'a', image }] },
    status,
  });
  server.write('kubelet', pod({ phase: 'Pending' }));
  assert.ok(!fieldsBy(server.object!.metadata.managedFields!, 'kubelet').includes('f:status'));
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: at(1) }];
  const entries = server.write('kubelet', pod({ phase: 'Running', conditions }, 'j'), 'status');
  assert.equal(entries.length, 2);
  assert.equal(entries[1]!.subresource, 'status');
  assert.equal(
    JSON.stringify(entries[1]!.fieldsV1),
    '{"f:status":{"f:conditions":{".":{},"k:{\\"type\\":\\"Ready\\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:phase":{}}}',
  );
});

test('owner references, finalizers and sets', () => {
  const server = new Server(core('ConfigMap'));
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u-1' };
  const entries = server.write('a', { metadata: { name: 'c', ownerReferences: [owner], finalizers: ['x/b', 'x/a'] } });
  assert.equal(
    fieldsBy(entries, 'a'),
    '{"f:metadata":{"f:finalizers":{".":{},"v:\\"x/a\\"":{},"v:\\"x/b\\"":{}},"f:ownerReferences":{".":{},"k:{\\"uid\\":\\"u-1\\"}":{}}}}',
  );
});

test('the oldest updaters beyond ten melt together', () => {
  const server = new Server(core('ConfigMap'));
  const data: Record<string, string> = {};
  let entries: readonly ManagedFieldsEntry[] = [];
  for (let i = 0; i < 13; i++) {
    data[`k${i}`] = 'v';
    entries = server.write(`m${i}`, { metadata: { name: 'c' }, data });
  }
  assert.equal(entries.length, 10);
  assert.equal(entries[0]!.manager, 'ancient-changes');
  assert.equal(fieldsBy(entries, 'ancient-changes'), '{"f:data":{".":{},"f:k0":{},"f:k1":{},"f:k2":{},"f:k3":{}}}');
  assert.deepEqual(
    entries.slice(1).map(e => e.manager),
    ['m4', 'm5', 'm6', 'm7', 'm8', 'm9', 'm10', 'm11', 'm12'],
  );
});

test('a client may edit or reset the entries, not lose them', () => {
  const server = new Server(core('ConfigMap'));
  const first = server.write('a', { metadata: { name: 'c' }, data: { x: '1' } });
  const sent = { metadata: { name: 'c', managedFields: [...first] }, data: { x: '1' } };
  assert.deepEqual(server.write('b', sent), first);
  const renamed = [{ ...first[0]!, manager: 'z' }];
  assert.deepEqual(server.write('b', { ...sent, metadata: { name: 'c', managedFields: renamed } }), renamed);
  assert.deepEqual(server.write('b', { ...sent, metadata: { name: 'c', managedFields: [{}] } }), []);
});

test('an applied configuration states its fields without the containers of free keys', () => {
  const config = { metadata: { name: 'c', labels: { a: 'b' } }, data: { k: 'v' }, immutable: null };
  assert.equal(
    JSON.stringify(fieldsOf(shapeOf(core('ConfigMap')), config, new Set(['kind', 'apiVersion']))),
    '{"f:data":{"f:k":{}},"f:immutable":{},"f:metadata":{"f:labels":{"f:a":{}},"f:name":{}}}',
  );
});

// A naive twin: a set is a Set of paths written as text.
const element = fc.constantFrom('f:a', 'f:b', 'k:{"n":8}', 'k:{"n":10}', 'v:"x"');
const paths = fc.array(fc.array(element, { minLength: 1, maxLength: 3 }), { maxLength: 6 });
const setOf = (list: string[][]): FieldSet => list.reduce<FieldSet>((set, p) => union(set, setOfPath(p)), {});
const textOf = (set: FieldSet) => new Set([...membersOf(set)].map(p => p.join('/')));
const naive = (list: string[][]) => new Set(list.map(p => p.join('/')));

test('the algebra agrees with plain sets of paths', () => {
  fc.assert(
    fc.property(paths, paths, element, (x, y, e) => {
      const [a, b, na, nb] = [setOf(x), setOf(y), naive(x), naive(y)];
      assert.deepEqual(textOf(a), na);
      assert.deepEqual(textOf(union(a, b)), na.union(nb));
      assert.deepEqual(textOf(difference(a, b)), na.difference(nb));
      assert.deepEqual(textOf(intersection(a, b)), na.intersection(nb));
      assert.equal(intersects(a, b), na.intersection(nb).size > 0);
      assert.equal(isEmptySet(difference(a, a)), true);
      for (const p of y) assert.equal(has(a, p), na.has(p.join('/')));
      const below = (text: string, set: Set<string>) => [...set].some(m => text === m || text.startsWith(`${m}/`));
      assert.deepEqual(textOf(recursiveDifference(a, b)), new Set([...na].filter(t => !below(t, nb))));
      assert.deepEqual(textOf(withoutPrefix(a, [e])), new Set([...na].filter(t => !below(t, new Set([e])))));
      for (const set of [union(a, b), difference(a, b), intersection(a, b)]) {
        assert.equal(parseFieldSet(set), isEmptySet(set) ? parseFieldSet({}) : set, 'in order and without idle nodes');
        assert.equal(JSON.stringify(parseFieldSet(shuffle(set))), JSON.stringify(set));
      }
      if ([...nb].every(t => na.has(t))) assert.equal(union(a, b), isEmptySet(a) ? b : a);
    }),
    { numRuns: 300 },
  );
});

function shuffle(set: FieldSet): FieldSet {
  return Object.fromEntries(
    Object.entries(set)
      .reverse()
      .map(([k, v]) => [k, shuffle(v)]),
  );
}

test('an entry of a version that is gone goes with the next write', () => {
  const typeName = core('ConfigMap');
  const data = (map: object, managedFields?: object[]) => make(typeName, { metadata: { managedFields }, data: map });
  const entry = (manager: string, apiVersion: string, field: string) => ({
    manager,
    operation: 'Update',
    apiVersion,
    time: at(0),
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { [`f:${field}`]: {} } },
  });
  const old = data({ a: '1', b: '1' }, [entry('gone', 'v9', 'a'), entry('kept', 'v1', 'b')]);
  const common = { typeName, apiVersion: 'v1', subresource: '', time: at(1), operation: 'Update' } as const;
  const known = (version: string) => (version === 'v1' ? { typeName, convert: (o: KubeObject) => o } : undefined);
  for (const map of [
    { a: '1', b: '1' },
    { a: '2', b: '1' },
  ]) {
    const write = { ...common, old, updated: data(map), manager: 'm', inVersion: known };
    const managers = updateManagedFields(write).map(e => e.manager);
    assert.deepEqual(managers, map.a === '1' ? ['kept'] : ['kept', 'm']);
  }
});

test('elements sort by kind, then by value', () => {
  const sorted = ['.', 'f:a', 'f:b', 'k:{"n":8}', 'k:{"n":10}', 'v:"x"', 'v:"y"', 'i:2'];
  assert.deepEqual(sorted.toReversed().sort(compareElements), sorted);
  assert.equal(nodeOf(false, {}), undefined);
  assert.deepEqual(parseFieldSet({ 'f:a': {}, 'x:y': {} }), { 'f:a': {} }, 'of a kind that is not known yet');
  assert.throws(() => parseFieldSet({ xy: {} }), SyntaxError);
});

test('random writes keep each field in one entry, and every field of the object in some entry', () => {
  const data = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2'), { minKeys: 1 });
  const writes = fc.array(fc.tuple(fc.constantFrom('x', 'y', 'z'), data), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(writes, list => {
      const server = new Server(core('ConfigMap'));
      const owner = new Map<string, string>();
      let last: Record<string, string> = {};
      for (const [manager, next] of list) {
        const entries = server.write(manager, { metadata: { name: 'c' }, data: next });
        for (const k of Object.keys(next)) if (next[k] !== last[k]) owner.set(k, manager);
        for (const k of owner.keys()) if (!(k in next)) owner.delete(k);
        last = next;
        const got = new Map<string, string>();
        for (const e of entries)
          for (const p of membersOf(e.fieldsV1 as FieldSet)) {
            if (p.length !== 2) continue;
            assert.equal(got.has(p[1]!), false);
            got.set(p[1]!.slice(2), e.manager!);
          }
        assert.deepEqual(got, new Map([...got.keys()].map(k => [k, owner.get(k)!])));
        assert.deepEqual([...got.keys()].sort(), [...owner.keys()].sort());
      }
    }),
  );
});

test('equal sets of updates are one object, also in the next version', () => {
  const written = (replicas: number[]) => {
    const server = new Server(deployment, 'apps/v1');
    server.write('maker', { metadata: { name: 'web' }, spec: { paused: true } });
    for (const n of replicas)
      server.write('scaler', { metadata: { name: 'web' }, spec: { paused: true, replicas: n } });
    return server.object!.metadata.managedFields!.map(e => e.fieldsV1);
  };
  const [a, b] = [written([2]), written([3, 4])];
  assert.deepEqual(a, [{ 'f:spec': { 'f:paused': {} } }, { 'f:spec': { 'f:replicas': {} } }]);
  assert.equal(a[1], b[1]);
  assert.ok(isCanonicalPart(a[1]!));
});
