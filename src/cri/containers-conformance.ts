// How runtimes run containers: exit codes, output, exec, grace periods.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRuntimeError, isRuntimeNotFound } from './runtime-error.ts';
import { exiting, obedient, type RuntimeCheck, stubborn } from './test-runtime.ts';

export function containers(check: RuntimeCheck): void {
  check(
    'a container is created, runs, exits with its code, and is gone when removed',
    async ({ harness, runPod, create, start, status, exited, removePod }) => {
      const pod = await runPod();
      const id = await create(pod, exiting(3), { labels: { tier: 'web' } });
      const created = await status(id);
      assert.equal(created.state, 'CONTAINER_CREATED');
      assert.deepEqual([created.metadata, created.labels], [{ name: 'main', attempt: 0 }, { tier: 'web' }]);
      assert.equal(created.started_at, 0);
      await start(id);
      await exited(id);
      const ended = await status(id);
      assert.deepEqual([ended.exit_code, ended.reason], [3, 'Error']);
      // containerd takes started_at after the start has returned: what ends at once ends before it.
      assert.ok(created.created_at! <= ended.started_at! && created.created_at! <= ended.finished_at!);
      assert.equal(ended.log_path, join(pod.config.log_directory!, 'main/0.log'));
      await assert.rejects(harness.runtime.StartContainer({ container_id: id }));
      await harness.runtime.RemoveContainer({ container_id: id });
      await assert.rejects(harness.runtime.ContainerStatus({ container_id: id }), isRuntimeNotFound);
      await harness.runtime.RemoveContainer({ container_id: id });
      await removePod(pod.id);
    },
  );

  check('exit code 0 is Completed', async ({ run, status, exited, removePod }) => {
    const { pod, id } = await run(exiting(0));
    await exited(id);
    const { exit_code: code, reason } = await status(id);
    assert.deepEqual([code, reason], [0, 'Completed']);
    await removePod(pod.id);
  });

  check('output goes to the log in the CRI format', async ({ harness, run, status, exited, removePod }) => {
    const lines = ['first line', 'grüße'];
    const { pod, id } = await run({
      script: 'echo first line; echo "$GREETING"; exit 0',
      behaviour: { logs: lines, exitAfterMs: 10 },
    });
    await exited(id);
    const file = (await status(id)).log_path!;
    const read = () => readFileSync(file, 'utf8').split('\n').slice(0, -1);
    await harness.until(() => read().length === 2);
    // Go leaves trailing zeros of a second's fraction away.
    for (const [i, line] of read().entries())
      assert.match(
        line,
        new RegExp(
          `^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?(Z|[+-]\\d\\d:\\d\\d) stdout F ${lines[i]}$`,
        ),
      );
    await removePod(pod.id);
  });

  check(
    'ExecSync gives output and exit code, and ends at its time limit',
    async ({ harness, run, status, stop, removePod }) => {
      const failing = ['/bin/busybox', 'sh', '-c', 'echo oops >&2; exit 7'];
      const slow = ['/bin/busybox', 'sleep', '30'];
      const { pod, id } = await run({
        ...obedient,
        behaviour: {
          exec: {
            '/bin/busybox echo hello': { stdout: 'hello\n' },
            [failing.join(' ')]: { stderr: 'oops\n', exitCode: 7 },
            [slow.join(' ')]: { durationMs: 30_000 },
          },
        },
      });
      const exec = (cmd: string[], timeout: number) =>
        harness.during(harness.runtime.ExecSync({ container_id: id, cmd, timeout }));
      const hello = await exec(['/bin/busybox', 'echo', 'hello'], 10);
      assert.deepEqual([Buffer.from(hello.stdout!).toString(), hello.exit_code], ['hello\n', 0]);
      const failed = await exec(failing, 0);
      assert.deepEqual([Buffer.from(failed.stderr!).toString(), failed.exit_code], ['oops\n', 7]);
      await assert.rejects(exec(slow, 1), error => isRuntimeError(error, 'DeadlineExceeded'));
      assert.equal((await status(id)).state, 'CONTAINER_RUNNING');
      await stop(id, 5);
      await assert.rejects(exec(['/bin/busybox', 'true'], 1));
      await removePod(pod.id);
    },
  );

  check('stopping asks first and kills after the grace period', async ({ run, status, stop, removePod }) => {
    const polite = await run(obedient);
    await stop(polite.id, 20);
    assert.equal((await status(polite.id)).exit_code, 143);
    const rude = await run(stubborn);
    await stop(rude.id, 1);
    const { state, exit_code: code, started_at: from, finished_at: to } = await status(rude.id);
    assert.deepEqual([state, code], ['CONTAINER_EXITED', 137]);
    assert.ok(to! - from! >= 0.9e9, 'the grace period was granted');
    await stop(rude.id, 1);
    await removePod(polite.pod.id);
    await removePod(rude.pod.id);
  });

  check('stopping a sandbox kills its containers, removing it removes them', async ({ harness, run, status }) => {
    const { pod, id } = await run(stubborn);
    await harness.during(harness.runtime.StopPodSandbox({ pod_sandbox_id: pod.id }));
    const { state, exit_code: code } = await status(id);
    assert.deepEqual([state, code], ['CONTAINER_EXITED', 137]);
    await harness.during(harness.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id }));
    await assert.rejects(harness.runtime.ContainerStatus({ container_id: id }), isRuntimeNotFound);
  });
}
