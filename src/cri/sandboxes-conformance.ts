// How runtimes keep sandboxes.
import assert from 'node:assert/strict';
import { isRuntimeNotFound } from './runtime-error.ts';
import type { RuntimeCheck } from './test-runtime.ts';

export function sandboxes(check: RuntimeCheck): void {
  check('a sandbox is ready, has an address, stops, and is gone when removed', async ({ harness, runPod }) => {
    const { runtime } = harness;
    const pod = await runPod({ app: 'one' });
    const { status: ready } = await runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    assert.equal(ready?.state, 'SANDBOX_READY');
    assert.match(ready?.network?.ip ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    assert.deepEqual(ready?.metadata, pod.config.metadata);
    assert.deepEqual([ready?.labels, ready?.annotations], [{ app: 'one' }, { note: 'kept' }]);
    assert.ok(ready!.created_at! > 1e18);
    await harness.during(runtime.StopPodSandbox({ pod_sandbox_id: pod.id }));
    await harness.during(runtime.StopPodSandbox({ pod_sandbox_id: pod.id }));
    const { status: stopped } = await runtime.PodSandboxStatus({ pod_sandbox_id: pod.id });
    assert.equal(stopped?.state, 'SANDBOX_NOTREADY');
    await runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
    await assert.rejects(runtime.PodSandboxStatus({ pod_sandbox_id: pod.id }), isRuntimeNotFound);
    await runtime.RemovePodSandbox({ pod_sandbox_id: pod.id });
  });

  check(
    'sandboxes have addresses of their own; those on the host network have none',
    async ({ harness, podConfig, runPod, removePod }) => {
      const [a, b] = [await runPod(), await runPod()];
      const config = podConfig();
      const onHost = {
        ...config,
        // Its hostname is the host's; runc refuses to set one.
        hostname: '',
        linux: { ...config.linux, security_context: { namespace_options: { network: 'NODE' as const } } },
      };
      const { pod_sandbox_id: c = '' } = await harness.during(harness.runtime.RunPodSandbox({ config: onHost }));
      const ip = async (id: string) =>
        (await harness.runtime.PodSandboxStatus({ pod_sandbox_id: id })).status?.network?.ip ?? '';
      assert.notEqual(await ip(a.id), await ip(b.id));
      assert.equal(await ip(c), '');
      for (const id of [a.id, b.id, c]) await removePod(id);
    },
  );

  check('a sandbox name is taken until it is removed', async ({ harness, runPod, removePod }) => {
    const pod = await runPod();
    await assert.rejects(harness.runtime.RunPodSandbox({ config: pod.config }), /is reserved for/);
    await removePod(pod.id);
    const { pod_sandbox_id: id = '' } = await harness.during(harness.runtime.RunPodSandbox({ config: pod.config }));
    await removePod(id);
  });
}
