import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exec } from '../host/exec.ts';
import { startBench } from './supervisor-bench.ts';

test('a child in a network namespace serves a port of the machine, also after a crash', async () => {
  const namespace = `k8tst-${process.pid}-sup`;
  await exec('ip', ['netns', 'add', namespace]);
  try {
    const bench = await startBench({ namespace: `/run/netns/${namespace}` });
    try {
      await bench.until(s => s.children[0]!.state === 'ready');
      assert.deepEqual((await bench.ask()).links, ['lo']);
      await assert.rejects(bench.ask('/crash'));
      await bench.until(s => s.children[0]!.state === 'ready' && s.children[0]!.restarts === 1);
      assert.deepEqual((await bench.ask()).links, ['lo']);
    } finally {
      await bench.stop();
    }
  } finally {
    await exec('ip', ['netns', 'del', namespace]);
  }
});
