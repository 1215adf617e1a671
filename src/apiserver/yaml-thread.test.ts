import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../api/decode.ts';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { applyPatch } from './test-caller.ts';
import { fileServer } from './test-file-server.ts';
import { YamlThread } from './yaml-thread.ts';

const padding = `  # ${'x'.repeat(80)}\n`;
const large = (line: (i: number) => string, head = '') =>
  Buffer.from(head + Array.from({ length: 1000 }, (_, i) => line(i) + padding).join(''));

/** What the thread reads of a body is what is read without it. */
async function check(threads: YamlThread, body: Buffer): Promise<void> {
  const here = outcome(Buffer.from(body));
  const reading = threads.ahead(body);
  assert.ok(reading);
  await reading;
  assert.deepEqual(outcome(body), here);
  // It has been read before.
  if (typeof here === 'object') assert.equal(outcome(body), outcome(body));
}

function outcome(body: Buffer): unknown {
  try {
    return parseYaml(body, 'Pod');
  } catch (error) {
    return (error as Error).message;
  }
}

test('large bodies are read elsewhere, one after the other', async () => {
  const threads = new YamlThread(systemClock);
  const bodies = [
    large(i => `  key-${i}: "value ${i}"`, 'data:\n'),
    large(i => `- &a${i} 12345678901234567${i}`),
    large(() => 'a: 1'),
    large(() => '- x', ': :\n'),
    large(i => `- ${i}`, '- 0o17\n- -0x1_0\n- .5\n- 1e400\n'),
    large(() => '- .inf'),
  ];
  await Promise.all(bodies.map(body => check(threads, body)));
  threads.close();
});

test('small bodies, and those that are JSON, need no thread', () => {
  const threads = new YamlThread(systemClock);
  assert.equal(threads.ahead(Buffer.from('a: 1')), undefined);
  const json = Buffer.from(JSON.stringify({ a: 'x'.repeat(100_000) }));
  assert.equal(threads.ahead(json), undefined);
  assert.equal((parseYaml(json).value as { a: string }).a.length, 100_000);
  threads.close();
});

test('a thread that was closed, or ended for being idle, costs nobody an answer', async () => {
  const clock = new VirtualClock();
  const threads = new YamlThread(clock);
  const body = () => large(i => `k${i}: 1`);
  await threads.ahead(body());
  await clock.advance(10_000);
  await check(threads, body());
  const reading = threads.ahead(body());
  threads.close();
  await reading;
  assert.equal(threads.ahead(body()), undefined);
});

const on = fileServer();

test('objects and applied configurations in large YAML', async () => {
  const maps = '/api/v1/namespaces/default/configmaps';
  const of = (name: string) =>
    large(i => `  key-${i}: "value ${i}"`, `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n`);
  const yaml = { 'content-type': 'application/yaml' };
  const made = await on.api.expect(201, 'POST', maps, of('posted').toString(), yaml);
  assert.equal(made.data['key-999'], 'value 999');
  const applied = await on.api.expect(
    201,
    'PATCH',
    `${maps}/applied?fieldManager=m`,
    of('applied').toString(),
    applyPatch,
  );
  assert.deepEqual(applied.data, made.data);
  const broken = await on.api.send('POST', maps, `${of('broken')}\t- : :`, yaml);
  assert.equal(broken.code, 400);
  assert.match(broken.object.message, /^the object provided is unrecognized \(must be of type ConfigMap\): yaml: /);
});
