// Bodies of nearly 3 MiB with one field grown, as tools/fuzz/large.ts makes them: told what is wrong with, and soon.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApi } from './test-api.ts';

const api = testApi();
const configMaps = '/api/v1/namespaces/default/configmaps?dryRun=All';
const endpoints = '/api/v1/namespaces/default/endpoints?dryRun=All';
const count = 240_000;

/** The code, how it is told, how many causes, and that the processor time (all of this process) is below a bound. */
async function told(path: string, body: object, mostMs: number) {
  const text = JSON.stringify(body);
  const { user } = process.threadCpuUsage();
  const { code, object } = await api.send('POST', path, text);
  const ms = (process.threadCpuUsage().user - user) / 1000;
  assert.ok(ms < mostMs, `${ms} ms`);
  return { code, start: object.message.slice(0, 60), causes: object.details?.causes?.length };
}

test('faults past any that somebody reads are counted only', async () => {
  const finalizers = Array.from({ length: count }, (_, n) => `n${n}`);
  assert.deepEqual(await told(configMaps, { metadata: { name: 'one', finalizers } }, 4000), {
    code: 422,
    start: 'ConfigMap "one" is invalid: [metadata.finalizers[0]: Invalid',
    causes: 10_000,
  });
  const subsets = [{ addresses: [{ ip: '192.0.2.1' }], ports: new Array(count).fill({}) }];
  assert.deepEqual(await told(endpoints, { metadata: { name: 'one' }, subsets }, 4000), {
    code: 422,
    start: 'Endpoints "one" is invalid: [subsets[0].ports[0].name: Requi',
    causes: 10_000,
  });
});

test('so are fields nobody knows', async () => {
  const unknown = Object.fromEntries(Array.from({ length: count / 2 }, (_, n) => [`f${n}`, 0]));
  const { code, start } = await told(
    `${configMaps}&fieldValidation=Strict`,
    { metadata: { name: 'one' }, ...unknown },
    4000,
  );
  assert.equal(code, 400);
  assert.match(start, /^ConfigMap in version "v1" cannot be handled as a ConfigMap/);
});

test('a text of characters to be escaped is quoted in no time', async () => {
  const name = '{"a":'.repeat(400_000);
  assert.equal((await told(configMaps, { metadata: { name } }, 2500)).code, 422);
});
