// What every ContainerRuntime must do. An implementation's test calls runtimeConformance with a harness.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ContainerRuntime, RuntimeEvent } from './runtime.ts';
import { isRuntimeError, isRuntimeNotFound } from './runtime-error.ts';
import { behaviourAnnotation, type ContainerBehaviour } from './simulated-container.ts';
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from './type.ts';

export interface RuntimeHarness {
  readonly runtime: ContainerRuntime;
  /** An image that is there; real ones hold /bin/busybox. */
  readonly image: string;
  /** Of the pods' logs. */
  readonly logDirectory: string;
  readonly cgroupParent: string;
  /** Lets time pass until the operation settles. */
  during<T>(operation: Promise<T>): Promise<T>;
  /** Lets time pass until the condition holds. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  dispose(): Promise<void>;
}

/** One program as a shell script for real runtimes and as behaviour for simulated ones. */
interface Program {
  readonly script: string;
  readonly behaviour: ContainerBehaviour;
}
const obedient: Program = { script: 'trap "exit 143" TERM; busybox sleep 1000 & wait', behaviour: {} };
const stubborn: Program = {
  script: 'trap "" TERM; while :; do busybox sleep 1; done',
  behaviour: { ignoresTerm: true },
};
const exiting = (exitCode: number): Program => ({
  script: `exit ${exitCode}`,
  behaviour: { exitAfterMs: 20, exitCode },
});

export function runtimeConformance(name: string, setup: () => Promise<RuntimeHarness>): void {
  describe(name, () => {
    let harness: RuntimeHarness;
    let pods = 0;
    before(async () => {
      harness = await setup();
    });
    after(() => harness?.dispose());

    const podConfig = (labels: Record<string, string> = {}): PodSandboxConfig => {
      const uid = `uid-${++pods}`;
      return {
        metadata: { name: `pod-${pods}`, uid, namespace: 'default', attempt: 0 },
        hostname: `pod-${pods}`,
        log_directory: join(harness.logDirectory, uid),
        labels,
        annotations: { note: 'kept' },
        linux: { cgroup_parent: `${harness.cgroupParent}/pod${uid}` },
      };
    };
    const runPod = async (labels: Record<string, string> = {}) => {
      const config = podConfig(labels);
      const { pod_sandbox_id: id = '' } = await harness.during(harness.runtime.RunPodSandbox({ config }));
      return { id, config };
    };
    const create = async (
      pod: { id: string; config: PodSandboxConfig },
      program: Program,
      more: Partial<ContainerConfig> = {},
    ) => {
      const response = await harness.during(
        harness.runtime.CreateContainer({
          pod_sandbox_id: pod.id,
          sandbox_config: pod.config,
          config: {
            metadata: { name: 'main', attempt: 0 },
            image: { image: harness.image },
            command: ['/bin/busybox', 'sh', '-c', program.script],
            envs: [{ key: 'GREETING', value: Buffer.from('grüße') }],
            log_path: 'main/0.log',
            annotations: { [behaviourAnnotation]: JSON.stringify(program.behaviour) },
            ...more,
          },
        }),
      );
      return response.container_id ?? '';
    };
    const start = (id: string) => harness.during(harness.runtime.StartContainer({ container_id: id }));
    const run = async (program: Program) => {
      const pod = await runPod();
      const id = await create(pod, program);
      await start(id);
      return { pod, id };
    };
    const status = async (id: string): Promise<ContainerStatus> =>
      (await harness.runtime.ContainerStatus({ container_id: id })).status!;
    const exited = (id: string) => harness.until(async () => (await status(id)).state === 'CONTAINER_EXITED');
    const stop = (id: string, timeout: number) =>
      harness.during(harness.runtime.StopContainer({ container_id: id, timeout }));
    const removePod = async (id: string) => {
      await harness.during(harness.runtime.StopPodSandbox({ pod_sandbox_id: id }));
      await harness.during(harness.runtime.RemovePodSandbox({ pod_sandbox_id: id }));
    };

    test('says who it is and that it is ready', async () => {
      const version = await harness.runtime.Version({});
      assert.equal(version.runtime_api_version, 'v1');
      const { status: state } = await harness.runtime.Status({});
      assert.deepEqual(
        state?.conditions?.map(c => `${c.type}=${c.status}`),
        ['RuntimeReady=true', 'NetworkReady=true'],
      );
    });

    test('a sandbox is ready, has an address, stops, and is gone when removed', async () => {
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

    test('sandboxes have addresses of their own; those on the host network have none', async () => {
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
    });

    test('a sandbox name is taken until it is removed', async () => {
      const pod = await runPod();
      await assert.rejects(harness.runtime.RunPodSandbox({ config: pod.config }), /is reserved for/);
      await removePod(pod.id);
      const { pod_sandbox_id: id = '' } = await harness.during(harness.runtime.RunPodSandbox({ config: pod.config }));
      await removePod(id);
    });

    test('a container is created, runs, exits with its code, and is gone when removed', async () => {
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
    });

    test('exit code 0 is Completed', async () => {
      const { pod, id } = await run(exiting(0));
      await exited(id);
      const { exit_code: code, reason } = await status(id);
      assert.deepEqual([code, reason], [0, 'Completed']);
      await removePod(pod.id);
    });

    test('output goes to the log in the CRI format', async () => {
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

    test('ExecSync gives output and exit code, and ends at its time limit', async () => {
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
    });

    test('stopping asks first and kills after the grace period', async () => {
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

    test('stopping a sandbox kills its containers, removing it removes them', async () => {
      const { pod, id } = await run(stubborn);
      await harness.during(harness.runtime.StopPodSandbox({ pod_sandbox_id: pod.id }));
      const { state, exit_code: code } = await status(id);
      assert.deepEqual([state, code], ['CONTAINER_EXITED', 137]);
      await harness.during(harness.runtime.RemovePodSandbox({ pod_sandbox_id: pod.id }));
      await assert.rejects(harness.runtime.ContainerStatus({ container_id: id }), isRuntimeNotFound);
    });

    test('lists are filtered by id, state, sandbox and labels', async () => {
      const { runtime } = harness;
      const [a, b] = [await runPod({ app: 'a', all: 'x' }), await runPod({ app: 'b', all: 'x' })];
      const first = await create(a, obedient, { labels: { role: 'first', all: 'x' } });
      const second = await create(b, obedient, { labels: { role: 'second', all: 'x' } });
      await start(first);
      const sandboxes = async (filter: object) =>
        (await runtime.ListPodSandbox({ filter })).items!.map(s => s.id).sort();
      assert.deepEqual(await sandboxes({ id: a.id }), [a.id]);
      assert.deepEqual(await sandboxes({ label_selector: { all: 'x' } }), [a.id, b.id].sort());
      assert.deepEqual(await sandboxes({ label_selector: { all: 'x', app: 'b' } }), [b.id]);
      assert.deepEqual(await sandboxes({ label_selector: { app: 'c' } }), []);
      await harness.during(runtime.StopPodSandbox({ pod_sandbox_id: b.id }));
      const labelled = { label_selector: { all: 'x' } };
      assert.deepEqual(await sandboxes({ ...labelled, state: { state: 'SANDBOX_READY' } }), [a.id]);
      assert.deepEqual(await sandboxes({ ...labelled, state: { state: 'SANDBOX_NOTREADY' } }), [b.id]);
      const containers = async (filter: object) =>
        (await runtime.ListContainers({ filter })).containers!.map(c => c.id).sort();
      assert.deepEqual(await containers({ id: first }), [first]);
      assert.deepEqual(await containers({ pod_sandbox_id: b.id }), [second]);
      assert.deepEqual(await containers({ ...labelled, state: { state: 'CONTAINER_RUNNING' } }), [first]);
      assert.deepEqual(await containers(labelled), [first, second].sort());
      assert.deepEqual(await containers({ id: first, pod_sandbox_id: b.id }), []);
      for (const pod of [a, b]) await removePod(pod.id);
    });

    test('what does not exist is not found', async () => {
      const { runtime } = harness;
      const missing = 'f'.repeat(64);
      const pod = await runPod();
      const absent = { image: { image: 'k8ts.local/absent:1' } };
      await assert.rejects(runtime.ContainerStatus({ container_id: missing }), isRuntimeNotFound);
      await assert.rejects(runtime.StartContainer({ container_id: missing }), isRuntimeNotFound);
      await assert.rejects(runtime.ExecSync({ container_id: missing, cmd: ['x'] }), isRuntimeNotFound);
      await assert.rejects(runtime.ContainerStats({ container_id: missing }));
      await assert.rejects(runtime.PodSandboxStatus({ pod_sandbox_id: missing }), isRuntimeNotFound);
      await assert.rejects(create({ ...pod, id: missing }, obedient), isRuntimeNotFound);
      await assert.rejects(create(pod, obedient, absent), isRuntimeNotFound);
      assert.equal((await runtime.ImageStatus(absent)).image, undefined);
      await runtime.RemoveImage(absent);
      await removePod(pod.id);
    });

    test('images are listed under their full references', async () => {
      const { image } = await harness.runtime.ImageStatus({ image: { image: harness.image } });
      assert.match(image?.id ?? '', /^sha256:[0-9a-f]{64}$/);
      assert.ok(image?.repo_tags?.includes(harness.image));
      const { images } = await harness.runtime.ListImages({});
      assert.ok(images?.some(i => i.id === image?.id));
      assert.ok(((await harness.runtime.ImageFsInfo({})).image_filesystems?.length ?? 0) > 0);
    });

    test('stats tell of processor and memory', async () => {
      const { pod, id } = await run(obedient);
      const { stats } = await harness.runtime.ContainerStats({ container_id: id });
      assert.equal(stats?.attributes?.id, id);
      assert.ok((stats?.memory?.working_set_bytes?.value ?? 0) > 0);
      assert.ok((stats?.cpu?.usage_core_nano_seconds?.value ?? -1) >= 0);
      const listed = await harness.runtime.ListContainerStats({ filter: { pod_sandbox_id: pod.id } });
      assert.deepEqual(
        listed.stats?.map(s => s.attributes?.id),
        [id],
      );
      await removePod(pod.id);
    });

    test('events tell of starts and ends, and the status is there when the event is', async () => {
      const controller = new AbortController();
      const events: (RuntimeEvent & { state?: string })[] = [];
      const looks: Promise<void>[] = [];
      let gaps = 0;
      const watching = harness.runtime.watchEvents(
        {
          onEvent: event => {
            const seen: RuntimeEvent & { state?: string } = { ...event };
            events.push(seen);
            if (event.type === 'exited')
              looks.push(
                status(event.id).then(
                  s => {
                    seen.state = s.state;
                  },
                  () => {},
                ),
              );
          },
          onGap: () => gaps++,
        },
        controller.signal,
      );
      await harness.until(() => gaps === 1);
      const { pod, id } = await run(exiting(1));
      const has = (type: string, of: string) => events.some(e => e.type === type && e.id === of);
      await harness.until(
        () => has('started', pod.id) && has('started', id) && has('exited', id) && has('deleted', id),
      );
      await Promise.all(looks);
      assert.equal(events.find(e => e.type === 'exited' && e.id === id)?.state, 'CONTAINER_EXITED');
      const order = events.filter(e => e.id === id).map(e => e.type);
      assert.deepEqual(order, ['started', 'exited', 'deleted']);
      await harness.during(harness.runtime.StopPodSandbox({ pod_sandbox_id: pod.id }));
      await harness.until(() => has('exited', pod.id));
      controller.abort();
      await watching;
      const before = events.length;
      await removePod(pod.id);
      assert.equal(events.length, before, 'silent after the abort');
    });
  });
}
