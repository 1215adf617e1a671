// What runtimes tell of themselves and of what they hold: conditions, lists, images, stats, events.
import assert from 'node:assert/strict';
import type { RuntimeEvent } from './runtime.ts';
import { isRuntimeNotFound } from './runtime-error.ts';
import { exiting, obedient, type RuntimeCheck } from './test-runtime.ts';

export function listings(check: RuntimeCheck): void {
  check('says who it is and that it is ready', async ({ harness }) => {
    const version = await harness.runtime.Version({});
    assert.equal(version.runtime_api_version, 'v1');
    const { status: state } = await harness.runtime.Status({});
    const conditions = state?.conditions?.map(c => `${c.type}=${c.status}`) ?? [];
    // Others may follow: containerd 2 tells of what is deprecated, a machine with cgroups of version 1 among that.
    assert.deepEqual(conditions.slice(0, 2), ['RuntimeReady=true', 'NetworkReady=true']);
  });

  check(
    'lists are filtered by id, state, sandbox and labels',
    async ({ harness, runPod, create, start, removePod }) => {
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
    },
  );

  check('what does not exist is not found', async ({ harness, runPod, create, removePod }) => {
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

  check('images are listed under their full references', async ({ harness }) => {
    const { image } = await harness.runtime.ImageStatus({ image: { image: harness.image } });
    assert.match(image?.id ?? '', /^sha256:[0-9a-f]{64}$/);
    assert.ok(image?.repo_tags?.includes(harness.image));
    const { images } = await harness.runtime.ListImages({});
    assert.ok(images?.some(i => i.id === image?.id));
    assert.ok(((await harness.runtime.ImageFsInfo({})).image_filesystems?.length ?? 0) > 0);
  });

  check('stats tell of processor and memory', async ({ harness, run, removePod }) => {
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

  check(
    'events tell of starts and ends, and the status is there when the event is',
    async ({ harness, run, status, removePod }) => {
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
    },
  );
}
