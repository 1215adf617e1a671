import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { completionEntries, completionScript } from './completion.ts';
import { parseDuration } from './context.ts';
import { createProgram } from './program.ts';
import { age, table } from './status.ts';
import { createTalk } from './talk.ts';

test('completion knows every command', () => {
  const program = createProgram(() => assert.fail());
  const paths = completionEntries(program).map(e => e.path);
  for (const path of ['', 'up', 'image load', 'status']) assert.ok(paths.includes(path));
  for (const shell of ['bash', 'zsh', 'fish']) assert.match(completionScript(program, shell), /kubeconfig/);
});

test('durations, ages, tables', () => {
  assert.deepEqual(['90s', '2m', '1h30m', '45', '500ms'].map(parseDuration), [90_000, 120_000, 5_400_000, 45_000, 500]);
  for (const bad of ['', 'x', '5d', '1m x', '-1s']) assert.throws(() => parseDuration(bad), RangeError, bad);
  assert.deepEqual([0, 119_999, 120_000, 7_200_000, 172_800_000].map(age), ['0s', '119s', '2m', '2h', '2d']);
  assert.equal(
    table([
      ['A', 'BB'],
      ['ccc', ''],
    ]),
    'A     BB\nccc\n',
  );
});

test('talk: dated lines off a terminal, a spinner on one, no colour where none is wanted', async () => {
  const run = async (isTTY: boolean, env: NodeJS.ProcessEnv) => {
    const clock = new VirtualClock();
    let out = '';
    const write = (text: string) => {
      out += text;
    };
    const talk = createTalk({ isTTY, columns: 40, write }, clock, env);
    const phase = talk.phase('working');
    await clock.advance(1300);
    phase.done('worked');
    talk.close();
    await clock.advance(1000);
    return out;
  };
  assert.equal(await run(false, {}), '2026-01-01T00:00:01Z worked (1.3 s)\n');
  const plain = await run(true, { NO_COLOR: '1' });
  assert.match(plain, /\r⠋ working\x1b\[K/);
  assert.ok(plain.endsWith('✓ worked 1.3 s\n'));
  assert.match(await run(true, {}), /\x1b\[32m✓\x1b\[0m worked/);
  assert.equal(await run(true, { TERM: 'dumb' }), await run(false, {}));
});
