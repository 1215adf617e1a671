// The Python client against a control plane in this process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksOf, run, startControlPlane } from './control-plane.ts';
import { pythonClient } from './tool.ts';

test('Python client', async t => {
  const tool = await pythonClient();
  if ('missing' in tool) return t.skip(tool.missing);
  const [python, program] = tool.command;
  const controlPlane = await startControlPlane();
  try {
    const checks = checksOf(await run(python, [program!, controlPlane.kubeconfig]));
    for (const { name, error } of checks) await t.test(name, () => assert.equal(error, undefined));
    assert.equal(checks.length, 11);
  } finally {
    await controlPlane.stop();
  }
});
