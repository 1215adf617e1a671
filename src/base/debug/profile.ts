// Profiles of this process in V8's own forms, which Chrome's developer tools, VS Code and speedscope open.
import type { Clock } from '../clock.ts';

export type ProfileKind = 'profile' | 'heap';

/** There is one profiler; two profiles at a time would end each other. */
let running = false;

export class ProfilerBusyError extends Error {
  override name = 'ProfilerBusyError';
}

/**
 * Watches the process for some seconds: `profile` gives a .cpuprofile, `heap` a .heapprofile of what was allocated in
 * that time and lives. Costs nothing before and after. Throws ProfilerBusyError.
 */
export async function takeProfile(
  kind: ProfileKind,
  seconds: number,
  { clock, signal }: { clock: Clock; signal?: AbortSignal },
): Promise<string> {
  if (running) throw new ProfilerBusyError(`Could not enable CPU profiling: cpu profiling already in use`);
  running = true;
  // Not loaded at every start.
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  try {
    session.connect();
    if (kind === 'profile') await session.post('Profiler.enable');
    await session.post(kind === 'profile' ? 'Profiler.start' : 'HeapProfiler.startSampling');
    await clock.sleep(seconds * 1000, signal);
    const { profile } = (await session.post(
      (kind === 'profile' ? 'Profiler.stop' : 'HeapProfiler.stopSampling') as 'Profiler.stop',
    )) as { profile: unknown };
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
    running = false;
  }
}
