// An operator as controller-runtime makes them against a control plane in this process: envtest on an existing cluster.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { checksOf, run, startControlPlane } from './control-plane.ts';
import { operator } from './tool.ts';

test('controller-runtime', async t => {
  const tool = await operator();
  if ('missing' in tool) return t.skip(tool.missing);
  const [program] = tool.command;
  const controlPlane = await startControlPlane();
  try {
    const args = [
      '-kubeconfig',
      controlPlane.kubeconfig,
      '-manifests',
      join(import.meta.dirname, 'operator/manifests'),
    ];
    const checks = checksOf(await run(program, args, { timeoutMs: 90_000 }));
    for (const { name, error } of checks) await t.test(name, () => assert.equal(error, undefined));
    assert.equal(checks.length, 11);
  } finally {
    await controlPlane.stop();
  }
});
