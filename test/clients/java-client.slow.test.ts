// fabric8's Java client against a control plane in this process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksOf, run, startControlPlane } from './control-plane.ts';
import { javaClient } from './tool.ts';

test('Java client', async t => {
  const tool = await javaClient();
  if ('missing' in tool) return t.skip(tool.missing);
  const [java, ...args] = tool.command;
  const controlPlane = await startControlPlane();
  try {
    const checks = checksOf(await run(java, [...args, controlPlane.kubeconfig]));
    for (const { name, error } of checks) await t.test(name, () => assert.equal(error, undefined));
    assert.equal(checks.length, 11);
  } finally {
    await controlPlane.stop();
  }
});
