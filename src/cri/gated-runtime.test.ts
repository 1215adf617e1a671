import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatedRuntime } from './gated-runtime.ts';
import type { ContainerRuntime } from './runtime.ts';

test('so many starts at once, first come first served, others untouched', async () => {
  const started: string[] = [];
  const open = new Map<string, () => void>();
  const runtime = {
    RunPodSandbox(request: { name: string }) {
      started.push(request.name);
      return new Promise<void>(resolve => open.set(request.name, resolve));
    },
    Version: () => Promise.resolve('v'),
  };
  const gated = gatedRuntime(runtime as unknown as ContainerRuntime, 2) as unknown as typeof runtime;
  const calls = ['a', 'b', 'c', 'd'].map(name => gated.RunPodSandbox({ name }));
  assert.equal(await gated.Version(), 'v');
  assert.deepEqual(started, ['a', 'b']);
  open.get('b')!();
  await calls[1];
  assert.deepEqual(started, ['a', 'b', 'c']);
  for (const name of ['a', 'c']) open.get(name)!();
  await Promise.all([calls[0], calls[2]]);
  open.get('d')!();
  await calls[3];
});

test('a start that fails gives its place back', async () => {
  let calls = 0;
  const runtime = { StartContainer: () => Promise.reject(new Error(`no ${++calls}`)) };
  const gated = gatedRuntime(runtime as unknown as ContainerRuntime, 1) as unknown as typeof runtime;
  await assert.rejects(gated.StartContainer(), /no 1/);
  await assert.rejects(gated.StartContainer(), /no 2/);
});

test('who waits for a place and is called off leaves, what is under way is let finish', async () => {
  const started: string[] = [];
  const open = new Map<string, () => void>();
  const runtime = {
    RunPodSandbox(request: { name: string }, options?: { timeoutMs?: number; signal?: AbortSignal }) {
      started.push(`${request.name} ${options?.timeoutMs} ${options?.signal}`);
      return new Promise<void>(resolve => open.set(request.name, resolve));
    },
  };
  const gated = gatedRuntime(runtime as unknown as ContainerRuntime, 1) as unknown as typeof runtime;
  const controller = new AbortController();
  const { signal } = controller;
  const [a, b, c] = ['a', 'b', 'c'].map(name =>
    gated.RunPodSandbox({ name }, { timeoutMs: 7, ...(name === 'c' ? {} : { signal }) }),
  );
  const called = assert.rejects(b!, /context canceled/);
  controller.abort(new Error('no longer'));
  await called;
  await assert.rejects(gated.RunPodSandbox({ name: 'd' }, { signal }), /context canceled/);
  assert.deepEqual(started, ['a 7 undefined']);
  open.get('a')!();
  await a;
  open.get('c')!();
  await c;
  assert.deepEqual(started, ['a 7 undefined', 'c 7 undefined']);
});
