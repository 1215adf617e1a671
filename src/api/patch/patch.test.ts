import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cloneDeep } from '../meta.ts';
import { StatusError } from '../status.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { equalJson } from './plain.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const refusal = (run: () => unknown): { code: number; message: string; cause: string } => {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return { code: error.code, message: error.message, cause: (error.cause as Error | undefined)?.message ?? '' };
  }
  throw new Error('not refused');
};

test('JSON patch: the examples of RFC 6902', () => {
  const cases: [unknown, unknown[], unknown][] = [
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
    [{ foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [{ foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
    [
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [
      { '/': 9, '~1': 10 },
      [
        { op: 'test', path: '/~01', value: 10 },
        { op: 'replace', path: '/~1', value: 1 },
      ],
      { '/': 1, '~1': 10 },
    ],
    [{ foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }], { foo: ['bar', ['abc', 'def']] }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
    // As the API server's library does, not as RFC 6902 has it.
    [{ a: {} }, [{ op: 'replace', path: '/a/b', value: 1 }], { a: { b: 1 } }],
    [{ a: {} }, [{ op: 'copy', from: '/a/b', path: '/a/c' }], { a: { c: null } }],
    [{ a: [1, 2] }, [{ op: 'remove', path: '/a/-1' }], { a: [1] }],
    [
      { a: { b: 1 } },
      [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'add', path: '/c/b', value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
    [{}, [{ op: 'test', path: '/gone', value: null }], {}],
  ];
  for (const [doc, patch, want] of cases) {
    const before = JSON.stringify(doc);
    assert.deepEqual(applyJsonPatch(doc, patch), want);
    assert.equal(JSON.stringify(doc), before);
  }
});

test('JSON patch: what does not apply is 422, what is no patch is 400, too much is 413', () => {
  const bad = (patch: unknown, doc: unknown = { a: [1], b: {} }) => refusal(() => applyJsonPatch(doc, patch));
  assert.deepEqual(bad([{ op: 'remove', path: '/x' }]), {
    code: 422,
    message: 'the server rejected our request due to an error in our request',
    cause: "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
  });
  for (const path of ['/x/y', '/a/1', '/a/-']) assert.equal(bad([{ op: 'replace', path, value: 1 }]).code, 422);
  for (const from of ['/x/y', '/a/1']) assert.equal(bad([{ op: 'copy', from, path: '/b/x' }]).code, 422);
  assert.equal(bad([{ op: 'add', path: '/a/2', value: 1 }]).code, 422);
  assert.equal(bad([{ op: 'add', path: '/x/y', value: 1 }]).code, 422);
  assert.equal(bad([{ op: 'test', path: '/b', value: { c: 1 } }]).code, 422);
  assert.equal(bad([{ op: 'spam', path: '/b' }]).code, 422);
  assert.equal(bad([{ op: 'move', from: '/b', path: '/b/c' }]).code, 422);
  assert.equal(bad({ op: 'add' }).code, 400);
  assert.equal(
    bad({ op: 'add' }).message,
    'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
  );
  assert.equal(bad(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a/0', value: 1 }))).code, 413);
  const doubling = Array.from({ length: 30 }, (_, i) => ({ op: 'copy', from: '/b', path: `/b/${i}` }));
  assert.equal(bad(doubling, { b: { x: 'x'.repeat(1000) } }).code, 413);
});

test('JSON patch: why an operation does not apply, as the API server tells those who mutate in admission', () => {
  const atoi = (key: string) => `strconv.Atoi: parsing "${key}": invalid syntax`;
  const unreachable = (key: string) => `Unable to access invalid index: ${key}: invalid index referenced`;
  const causes: readonly [operation: object, cause: string][] = [
    [{ op: 'add', path: '/x/y' }, 'add operation does not apply: doc is missing path: "/x/y": missing value'],
    [{ op: 'add', path: 'x' }, 'add operation does not apply: doc is missing path: "x": missing value'],
    [{ op: 'add', value: 1 }, 'add operation failed to decode path: missing value'],
    [{ op: 'test' }, 'test operation failed to decode path: operation missing path field: missing value'],
    [{ op: 'add', path: '/a/9' }, `error in add for path: '/a/9': ${unreachable('9')}`],
    [
      { op: 'add', path: '/a/x' },
      `error in add for path: '/a/x': value was not a proper array index: 'x': ${atoi('x')}`,
    ],
    [{ op: 'remove', path: '/x/y' }, 'remove operation does not apply: doc is missing path: "/x/y": missing value'],
    [{ op: 'remove', path: '/a/-' }, `error in remove for path: '/a/-': ${atoi('-')}`],
    [{ op: 'replace', path: '/x/y' }, 'replace operation does not apply: doc is missing path: /x/y: missing value'],
    [{ op: 'replace', path: '/a/9' }, 'replace operation does not apply: doc is missing key: /a/9: missing value'],
    [{ op: 'test', path: '/x/y' }, 'test operation does not apply: is missing path: /x/y: missing value'],
    [{ op: 'test', path: '/a/9' }, `error in test for path: '/a/9': ${unreachable('9')}`],
    [{ op: 'test', path: '/x', value: 1 }, 'testing value /x failed: test failed'],
    [
      { op: 'move', from: '/x', path: '/b/y' },
      "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
    ],
    [{ op: 'move', from: '/a/9', path: '/x' }, `error in move for path: '9': ${unreachable('9')}`],
    [
      { op: 'move', from: '/b', path: '/b/c' },
      'move operation does not apply: doc is missing destination path: /b/c: missing value',
    ],
    [{ op: 'move', path: '/x' }, 'move operation failed to decode from: operation, missing from field: missing value'],
    [
      { op: 'copy', from: '/x/y', path: '/z' },
      'copy operation does not apply: doc is missing from path: /x/y: missing value',
    ],
    [{ op: 'copy', from: '/a/9', path: '/x' }, `error in copy for from: '/a/9': ${unreachable('9')}`],
    [{ op: 'copy', from: '/b', path: '/a/9' }, `error while adding value during copy: ${unreachable('9')}`],
    [{ op: 'spam', path: '/b' }, 'Unexpected kind: spam'],
    [{ path: '/b' }, 'Unexpected kind: unknown'],
  ];
  for (const [operation, cause] of causes)
    assert.equal(refusal(() => applyJsonPatch({ a: [1], b: {} }, [operation])).cause, cause);
  assert.deepEqual(applyJsonPatch({ a: [1] }, [{ op: 'add', path: '/a/00', value: 0 }]), { a: [0, 1] });
});

test('JSON patch: paths as recorded of the library of the API server', () => {
  const op = (o: object, ...patch: object[]) => applyJsonPatch(o, patch);
  assert.deepEqual(op({ a: [1, 2] }, { op: 'replace', path: '/a/01', value: 3 }), { a: [1, 3] });
  assert.deepEqual(op({ a: 1 }, { op: 'test', path: '/b', value: null }), { a: 1 });
  for (const path of ['/a/b', '/c/d', '/l/0', '/l/x', '/l/-1'])
    assert.equal(refusal(() => op({ a: 1, l: [] }, { op: 'test', path, value: null })).code, 422, path);
});

test('JSON patch agrees with a twin that clones and mutates', () => {
  const path = fc.constantFrom('/a', '/b', '/a/0', '/a/1', '/a/-', '/b/c', '/b/a', '/b/c/d', '');
  const op = fc.oneof(
    fc.record({ op: fc.constantFrom('add', 'replace', 'test'), path, value: fc.jsonValue({ maxDepth: 2 }) }),
    fc.record({ op: fc.constant('remove'), path }),
    fc.record({ op: fc.constantFrom('move', 'copy'), path, from: path }),
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 6 }), patch => {
      const doc = { a: [1, { x: 1 }], b: { c: { d: 1 }, a: [] } };
      const before = JSON.stringify(doc);
      const want = naiveJsonPatch(doc, patch);
      let got: unknown;
      try {
        got = applyJsonPatch(doc, patch);
      } catch {
        got = undefined;
      }
      assert.ok(equalJson(got ?? null, want ?? null), `${JSON.stringify(got)} wants ${JSON.stringify(want)}`);
      assert.equal(JSON.stringify(doc), before);
    }),
    { numRuns: 500 },
  );
});

function naiveJsonPatch(doc: unknown, patch: { op: string; path: string; from?: string; value?: unknown }[]): unknown {
  const box = { root: cloneDeep(doc) as any };
  const locate = (pointer: string): [any, string] => {
    const keys = ['root', ...pointer.split('/').slice(1)];
    let at: any = box;
    for (const k of keys.slice(0, -1)) {
      if (Array.isArray(at) ? !(Number(k) < at.length) : !(typeof at === 'object' && at && Object.hasOwn(at, k)))
        throw 0;
      at = at[k];
      if (typeof at !== 'object' || at === null) throw 0;
    }
    return [at, keys.at(-1)!];
  };
  const get = (pointer: string) => {
    const [at, k] = locate(pointer);
    if (!Object.hasOwn(at, k) || k === 'length') throw 0;
    return at[k];
  };
  // A missing member of a map is null to who copies or tests it.
  const got = (pointer: string) => {
    const [at, k] = locate(pointer);
    return Array.isArray(at) || Object.hasOwn(at, k) ? get(pointer) : null;
  };
  const remove = (pointer: string) => {
    const value = get(pointer);
    const [at, k] = locate(pointer);
    if (Array.isArray(at)) at.splice(Number(k), 1);
    else delete at[k];
    return value;
  };
  const add = (pointer: string, value: unknown) => {
    const [at, k] = locate(pointer);
    if (Array.isArray(at)) {
      const i = k === '-' ? at.length : /^\d+$/.test(k) ? Number(k) : Number.NaN;
      if (!(i <= at.length)) throw 0;
      at.splice(i, 0, value);
    } else at[k] = value;
  };
  try {
    for (const o of patch) {
      // A whole document is replaced and tested only.
      if (o.op !== 'replace' && o.op !== 'test' && (o.path === '' || o.from === '')) throw 0;
      if (o.op === 'add') add(o.path, cloneDeep(o.value));
      else if (o.op === 'remove') remove(o.path);
      else if (o.op === 'replace') {
        const [at, k] = locate(o.path);
        if (Array.isArray(at)) get(o.path);
        at[k] = cloneDeep(o.value);
      } else if (o.op === 'copy') add(o.path, cloneDeep(got(o.from!)));
      else if (o.op === 'move') {
        if (o.from === o.path) get(o.from);
        else if (o.path.startsWith(`${o.from}/`)) throw 0;
        else add(o.path, remove(o.from!));
      } else if (!equalJson(got(o.path), o.value)) throw 0;
    }
    return box.root;
  } catch {
    return undefined;
  }
}

test('merge patch: the examples of RFC 7386', () => {
  const cases: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [doc, patch, want] of cases) assert.deepEqual(applyMergePatch(doc, patch), want);
  assert.equal(
    refusal(() => applyMergePatch({}, [])).message,
    'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  );
  const poison = JSON.parse('{"__proto__":{"x":1}}');
  assert.equal(JSON.stringify(applyMergePatch({}, poison)), '{"__proto__":{"x":1}}');
});

const deployment = 'io.k8s.api.apps.v1.Deployment';
const podSpec = 'io.k8s.api.core.v1.PodSpec';
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const strategic = (type: string, object: unknown, patch: unknown) => {
  const before = JSON.stringify([object, patch]);
  const got = applyStrategicMergePatch(type, object, patch);
  assert.equal(JSON.stringify([object, patch]), before);
  return got;
};

test('strategic merge: the walk-through of the kubectl patch documentation', () => {
  const live = {
    spec: {
      template: {
        spec: {
          containers: [{ name: 'patch-demo-ctr', image: 'nginx' }],
          tolerations: [{ key: 'dedicated', value: 'test-team' }],
        },
      },
    },
  };
  const added = strategic(deployment, live, {
    spec: { template: { spec: { containers: [{ name: 'patch-demo-ctr-2', image: 'redis' }] } } },
  });
  assert.deepEqual(
    (added as typeof live).spec.template.spec.containers.map(c => c.image),
    ['redis', 'nginx'],
  );
  const tolerated = strategic(deployment, live, {
    spec: { template: { spec: { tolerations: [{ key: 'disktype', value: 'ssd' }] } } },
  });
  assert.deepEqual((tolerated as typeof live).spec.template.spec.tolerations, [{ key: 'disktype', value: 'ssd' }]);
  const rolling = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
  assert.deepEqual(
    strategic(deployment, rolling, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }),
    {
      spec: { strategy: { type: 'Recreate' } },
    },
  );
});

test('strategic merge: lists of maps', () => {
  const live = {
    containers: [{ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }, { name: 'c' }],
  };
  const run = (patch: unknown) => strategic(podSpec, live, patch) as typeof live;
  assert.deepEqual(
    run({ containers: [{ name: 'b', $patch: 'delete' }] }).containers.map(c => c.name),
    ['a', 'c'],
  );
  assert.deepEqual(run({ containers: [{ $patch: 'replace' }, { name: 'z' }] }), { containers: [{ name: 'z' }] });
  assert.deepEqual(run({ containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }], image: null }] }).containers[0], {
    name: 'a',
    env: [
      { name: 'Y', value: '2' },
      { name: 'X', value: '1' },
    ],
  });
  assert.deepEqual(
    run({
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'd' }, { name: 'a' }],
      containers: [{ name: 'd' }],
    }).containers.map(c => c.name),
    ['b', 'c', 'd', 'a'],
  );
  assert.deepEqual(
    run({ '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }, { name: 'c' }] }).containers.map(c => c.name),
    ['b', 'a', 'c'],
  );
  assert.deepEqual(
    run({ containers: [{ name: 'b', image: '2' }, { name: 'n' }] }).containers.map(c => c.name),
    ['a', 'b', 'n', 'c'],
  );
  assert.deepEqual(run({ $patch: 'replace', containers: [{ name: 'q', image: null }] }), {
    containers: [{ name: 'q' }],
  });
  assert.deepEqual(run({ containers: null }), {});
});

test('strategic merge: lists of primitives, maps and nulls', () => {
  const live = { finalizers: ['a', 'b'], labels: { x: '1', y: '2' } };
  const run = (patch: unknown) => strategic(meta, live, patch);
  assert.deepEqual(run({ finalizers: ['c', 'a'] }), { ...live, finalizers: ['c', 'a', 'b'] });
  assert.deepEqual(run({ '$deleteFromPrimitiveList/finalizers': ['a'] }), { ...live, finalizers: ['b'] });
  assert.deepEqual(
    run({ '$deleteFromPrimitiveList/finalizers': ['a'], '$setElementOrder/finalizers': ['d', 'b'], finalizers: ['d'] }),
    { ...live, finalizers: ['d', 'b'] },
  );
  assert.deepEqual(run({ labels: { x: null, z: '3', w: null } }), { ...live, labels: { y: '2', z: '3' } });
  assert.deepEqual(run({ labels: { $patch: 'replace', z: '3' } }), { ...live, labels: { z: '3' } });
  assert.deepEqual(run({ labels: { $patch: 'delete' } }), { ...live, labels: {} });
  assert.deepEqual(run({ annotations: { a: 'b', c: null } }), { ...live, annotations: { a: 'b' } });
});

test('strategic merge: refusals', () => {
  const live = { containers: [{ name: 'a' }] };
  const bad = (patch: unknown) => refusal(() => applyStrategicMergePatch(podSpec, live, patch));
  assert.deepEqual(bad({ containers: [{ image: 'nginx' }] }), {
    code: 400,
    message: 'map: map[image:nginx] does not contain declared merge key: name',
    cause: '',
  });
  assert.equal(bad({ $retainKeys: ['x'], hostname: 'h' }).code, 400);
  assert.equal(
    bad({ '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'a' }, { name: 'b' }] })
      .code,
    400,
  );
  assert.equal(bad([]).code, 400);
  assert.equal(bad({ $patch: 'huh' }).code, 400);
});

test('strategic merge of a map without lists is a merge patch', () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const labels = fc.dictionary(key, fc.string());
  const patch = fc.dictionary(key, fc.oneof(fc.string(), fc.constant(null)));
  fc.assert(
    fc.property(labels, patch, (object, change) => {
      const [a, b] = [{ labels: object }, { labels: change }];
      assert.deepEqual(applyStrategicMergePatch(meta, a, b), applyMergePatch(a, b));
    }),
  );
});

test('merging a list by key keeps every item once, the patch in its order', () => {
  const names = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f'));
  fc.assert(
    fc.property(names, names, (live, patch) => {
      const list = (n: string[]) => ({ containers: n.map(name => ({ name })) });
      const got = (
        applyStrategicMergePatch(podSpec, list(live), list(patch)) as ReturnType<typeof list>
      ).containers.map(c => c.name);
      assert.deepEqual([...got].sort(), [...new Set([...live, ...patch])].sort());
      assert.deepEqual(
        got.filter(n => patch.includes(n)),
        patch,
      );
      assert.deepEqual(
        got.filter(n => !patch.includes(n)),
        live.filter(n => !patch.includes(n)),
      );
    }),
  );
});
