// Objects that several managers write in every way there is, step by step as apiextensions-apiserver answers
// (testdata/apply-histories*.jsonl; test/interop/record-histories.ts asks again, or compares any number of others).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { establish } from './custom/test-definition.ts';
import type { TestExtension } from './extension/test-extension.ts';
import { superuserOf } from './test-api.ts';
import type { Caller } from './test-caller.ts';
import { historyOf } from './test-histories.ts';
import { countsOf, play, recorded } from './test-play.ts';
import { startTestServer, type TestServer } from './test-server.ts';
import { startConverter, worlds } from './test-worlds.ts';

const clock = new VirtualClock(Math.floor(systemClock.now() / 1000) * 1000);
let hook: TestExtension;
let server: TestServer;
let api: Caller;
before(async () => {
  hook = await startConverter();
  server = await startTestServer({ clock });
  api = superuserOf(server);
});
after(async () => {
  api.close();
  await server.stop();
  await hook.stop();
});

for (const world of worlds) {
  test(`every step of recorded histories (${world.name}): object, managers, their fields and times, conflicts`, async () => {
    await establish(api, world.definition(hook));
    const known = recorded(world);
    const histories = known.map(({ seed }) => historyOf(seed, world));
    const answers = await play(api, world, histories, async () => {
      await clock.advance(1000);
      return clock.now();
    });
    for (const [at, { seed, answers: expected }] of known.entries())
      for (const [step, answer] of expected.entries())
        assert.deepEqual(answers[at]![step], answer, `seed ${seed}, step ${step}`);
    // So that the generator does not lose what it is there for.
    if (world.scales) for (const [what, count] of countsOf(histories, answers)) assert.ok(count > 0, `${what}: never`);
  });
}
