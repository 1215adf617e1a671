// Processes under measurement.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';

/** Starts this Node with a script, which may send messages; ends with `stop`. */
export function start(
  script: string,
  args: readonly string[] = [],
  messages = false,
): { child: ChildProcess; stop(): Promise<void> } {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'ignore', 'ignore', ...(messages ? (['ipc'] as const) : [])],
    env: { ...process.env, NODE_COMPILE_CACHE: join(import.meta.dirname, '..', '.cache', 'compile') },
  });
  return {
    child,
    stop: () =>
      new Promise(resolve => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

/** Memory that only this process has, in MB: what it would give back by ending. */
export function memoryMb(pid: number): { rss: number; own: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { rss: field('Rss') / 1000, own: (field('Private_Dirty') + field('Private_Clean')) / 1000 };
}

const ticksPerSecond = 100;

/** Processor time so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export interface Identity {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Resolves once `path` answers 200. */
export async function untilOk(url: string, path: string, identity: Identity, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    if (await once(url, path, identity)) return;
    if (performance.now() > endMs) throw new Error(`${url}${path} did not answer 200 within ${timeoutMs} ms`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

function once(url: string, path: string, identity: Identity): Promise<boolean> {
  return new Promise(resolve => {
    const session = connect(url, identity);
    const end = (ok: boolean) => {
      session.destroy();
      resolve(ok);
    };
    session.on('error', () => end(false));
    const stream = session.request({ ':path': path });
    stream.on('error', () => end(false));
    stream.on('response', headers => end(headers[':status'] === 200));
  });
}
