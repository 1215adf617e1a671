import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roleArguments } from './role-arguments.ts';

test('the configuration file stands anywhere among the flags, in one word or two', () => {
  const flags = ['--profiling', '--anonymous-auth=false'];
  for (const args of [
    ['--config', '/c.json', ...flags],
    [...flags, '--config=/c.json'],
    [flags[0]!, '--config', '/c.json', flags[1]!],
  ])
    assert.deepEqual(roleArguments(args), { file: '/c.json', flags });
  for (const args of [[], flags, ['--config'], ['--config='], ['--config', '/c.json', '--help']])
    assert.equal(roleArguments(args).file, undefined, args.join(' '));
});
