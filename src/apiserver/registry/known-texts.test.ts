import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { KnownTexts } from './known-texts.ts';

const env = (n: number) => Array.from({ length: n }, (_, i) => ({ name: `VARIABLE_${i}`, value: `value ${i}` }));
const fields = (n: number) =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`k:{"name":"VARIABLE_${i}"}`, { '.': {}, 'f:name': {} }]));

function readTwice(texts: KnownTexts, object: unknown): unknown {
  const text = JSON.stringify(object);
  texts.learn(texts.parse(text));
  return texts.parse(text);
}

test('what was met before is given out again', () => {
  const texts = new KnownTexts();
  const pod = (name: string) => ({
    metadata: { name, managedFields: [{ fieldsV1: fields(20) }, { fieldsV1: fields(30) }] },
    spec: {
      containers: [
        { name: 'a', env: env(20) },
        { name: 'b', env: [{ name: 'A' }] },
        { name: 'c', env: env(20) },
      ],
    },
  });
  const first = texts.parse(JSON.stringify(pod('one'))) as ReturnType<typeof pod>;
  texts.learn(first);
  const second = texts.parse(JSON.stringify(pod('two'))) as ReturnType<typeof pod>;
  assert.deepEqual(second, pod('two'));
  for (const i of [0, 1] as const)
    assert.equal(second.metadata.managedFields[i]!.fieldsV1, first.metadata.managedFields[i]!.fieldsV1);
  assert.equal(second.spec.containers[0]!.env, second.spec.containers[2]!.env);
});

test('numbers, texts and keys that look like what is left out stay as they are', () => {
  for (const object of [
    { env: 0, spec: { env: env(20) } },
    { spec: { env: env(20) }, env: 0 },
    { env: 1, a: { env: env(20) }, fieldsV1: 0 },
    { env: 7, fieldsV1: -1, spec: { env: env(20), inner: { fieldsV1: fields(20) } } },
    { data: { text: '"env":[{"name":"VARIABLE_0"', 'env":[': '"fieldsV1":{' }, env: env(20) },
    { data: JSON.stringify({ env: env(20), fieldsV1: fields(20) }), env: env(20), fieldsV1: fields(20) },
    { env: [{ env: env(20) }, { env: env(21) }, ...env(20)] },
    { fieldsV1: { ...fields(20), env: env(20) } },
    { env: [9007199254740993n, ...env(20)], fieldsV1: 9007199254740995n },
  ]) {
    const texts = new KnownTexts();
    texts.learn(texts.parse(JSON.stringify({ env: env(20) })));
    assert.deepEqual(readTwice(texts, object), object);
    assert.deepEqual(readTwice(texts, object), object);
  }
});

test('random objects read like any JSON, however much of them is known', () => {
  const random = seededRandom(7);
  const pick = (n: number) => Math.floor(random.next() * n);
  const value = (depth: number): unknown => {
    const kind = pick(depth > 3 ? 5 : 8);
    if (kind === 0) return pick(4);
    if (kind === 1) return env(18 + pick(4));
    if (kind === 2) return fields(14 + pick(4));
    if (kind === 3) return ['"env":[', '\\"fieldsV1":{', '\u0000', '"env":0'][pick(4)];
    if (kind === 4) return null;
    if (kind === 5) return Array.from({ length: pick(4) }, () => value(depth + 1));
    return Object.fromEntries(
      Array.from({ length: pick(5) }, () => [['env', 'fieldsV1', 'spec', 'a'][pick(4)], value(depth + 1)]),
    );
  };
  const texts = new KnownTexts();
  for (let i = 0; i < 2000; i++) {
    const object = value(0);
    const text = JSON.stringify(object);
    const parsed = texts.parse(text);
    assert.equal(JSON.stringify(parsed), text);
    texts.learn(parsed);
  }
});

test('no more is known than has room', () => {
  const texts = new KnownTexts();
  const objects = Array.from({ length: 40 }, (_, i) => ({ spec: { env: [...env(20), { name: `N${i}` }] } }));
  const read = objects.map(object => readTwice(texts, object) as (typeof objects)[0]);
  assert.equal((texts.parse(JSON.stringify(objects[39])) as (typeof objects)[0]).spec.env, read[39]!.spec.env);
  assert.notEqual((texts.parse(JSON.stringify(objects[0])) as (typeof objects)[0]).spec.env, read[0]!.spec.env);
});
