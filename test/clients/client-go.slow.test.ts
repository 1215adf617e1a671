// client-go against a control plane in this process: once with JSON, once with protobuf.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksOf, run, startControlPlane } from './control-plane.ts';
import { goClient } from './tool.ts';

test('client-go', async t => {
  const tool = await goClient();
  if ('missing' in tool) return t.skip(tool.missing);
  const [program] = tool.command;
  const controlPlane = await startControlPlane();
  try {
    const types = ['application/json', 'application/vnd.kubernetes.protobuf'];
    const outcomes = types.map(type =>
      run(program, ['-kubeconfig', controlPlane.kubeconfig, '-content-type', type]).then(checksOf),
    );
    for (const [i, type] of types.entries())
      for (const { name, error } of await outcomes[i]!)
        await t.test(`${type}: ${name}`, () => assert.equal(error, undefined));
    assert.deepEqual(
      (await Promise.all(outcomes)).map(checks => checks.length),
      [22, 22],
    );
  } finally {
    await controlPlane.stop();
  }
});
