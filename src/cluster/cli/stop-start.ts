import { writeState } from '../state.ts';
import { type CliContext, mustState, pathsOf } from './context.ts';
import { duration } from './duration.ts';
import { halt, isRunning, leftoversOf, withLock } from './lifecycle.ts';
import { restart, waitUntilReady } from './up.ts';

export interface StopOptions {
  readonly name?: string;
}

/** Ends everything that runs; the cluster's data stays, as after switching a machine off. */
export async function stop(context: CliContext, options: StopOptions): Promise<void> {
  const paths = pathsOf(options.name, context.env);
  await withLock(paths, 'k8ts stop', async () => {
    const state = mustState(paths, context.env);
    if (!isRunning(state) && leftoversOf(paths).length === 0) {
      context.talk.say(`Cluster ${paths.name} is not running.`);
      return;
    }
    const phase = context.talk.phase(`stopping cluster ${paths.name}`);
    await halt(context, paths, state);
    const { supervisor: _, ...rest } = state;
    writeState(paths, rest);
    phase.done(`cluster ${paths.name} stopped`);
  });
}

export interface StartOptions {
  readonly name?: string;
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** Starts a stopped cluster. */
export async function start(context: CliContext, options: StartOptions): Promise<void> {
  const paths = pathsOf(options.name, context.env);
  const timeoutMs = duration(options.timeout ?? '2m');
  await withLock(paths, 'k8ts start', async () => {
    const state = mustState(paths, context.env);
    const running = isRunning(state);
    const now = running ? state : await restart(context, paths, state);
    if (options.wait !== false) await waitUntilReady(context, paths, now, timeoutMs);
    const how = running ? 'is already running' : options.wait === false ? 'is starting' : 'is running';
    context.talk.say(`Cluster ${paths.name} ${how}: https://127.0.0.1:${now.apiPort}`);
  });
}
