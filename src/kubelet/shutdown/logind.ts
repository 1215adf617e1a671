// systemd-logind, by the programs that come with it: Node cannot take the file descriptor that its lock is.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { ShutdownLock, ShutdownSource } from './shutdown-source.ts';

const name = 'org.freedesktop.login1';
const path = '/org/freedesktop/login1';
const manager = `${name}.Manager`;
const timeoutMs = 10_000;

const run = promisify(execFile);

export interface LogindOptions {
  /** What is set besides by the machine's administrator. */
  readonly settings?: string;
  /** For programs; default this process's. */
  readonly env?: NodeJS.ProcessEnv;
}

export function logind(options: LogindOptions = {}): ShutdownSource {
  const { settings = '/etc/systemd/logind.conf.d/99-kubelet.conf', env = process.env } = options;
  return {
    async maxDelayMs() {
      const asked = ['--system', 'get-property', name, path, manager, 'InhibitDelayMaxUSec'];
      const { stdout } = await run('busctl', asked, { env, timeout: timeoutMs });
      const microseconds = /^t (\d+)/.exec(stdout)?.[1];
      if (!microseconds) throw new Error(`busctl says ${JSON.stringify(stdout)} of InhibitDelayMaxUSec`);
      return Number(microseconds) / 1000;
    },
    async raiseMaxDelay(ms) {
      await mkdir(dirname(settings), { recursive: true });
      const text = `# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=${Math.ceil(ms / 1000)}\n`;
      await writeFile(settings, text, { mode: 0o644 });
      await run('systemctl', ['kill', '--signal=HUP', 'systemd-logind.service'], { env, timeout: timeoutMs });
    },
    hold: () => hold(env),
    watch: (onShutdown, signal) => watch(env, onShutdown, signal),
  };
}

/** Held by a program that lives as long as this process wants it, and no longer than it does. */
async function hold(env: NodeJS.ProcessEnv): Promise<ShutdownLock> {
  const why = 'Kubelet needs time to handle node shutdown';
  const args = ['--what=shutdown', '--who=kubelet', `--why=${why}`, '--mode=delay', 'cat'];
  const child = spawn('systemd-inhibit', args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()));
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    complaint = (complaint + text).slice(-1000);
  });
  child.stdin.on('error', () => {});
  // What is held echoes.
  child.stdin.write('held\n');
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  const refused = ended.then(() => Promise.reject(new Error(`systemd-inhibit: ${complaint.trim()}`)));
  refused.catch(() => {});
  failed.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), failed, refused]);
  return { release: () => child.stdin.end(), ended };
}

async function watch(
  env: NodeJS.ProcessEnv,
  onShutdown: (begins: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  // Of the manager itself: anybody may send a signal of that name.
  const match = `type='signal',sender='${name}',path='${path}',interface='${manager}',member='PrepareForShutdown'`;
  const child = spawn('busctl', ['--system', '--json=short', 'monitor', `--match=${match}`], {
    ...{ env, signal, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    complaint = (complaint + text).slice(-1000);
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', line => {
    const begins = shutdownOf(line);
    if (begins !== undefined) onShutdown(begins);
  });
  try {
    await once(child, 'close', { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (!signal.aborted) throw new Error(`busctl monitor ended: ${complaint.trim()}`);
}

interface BusMessage {
  readonly member?: string;
  readonly payload?: { readonly data?: readonly unknown[] };
}

/** What a line of `busctl monitor` says; undefined: nothing. */
export function shutdownOf(line: string): boolean | undefined {
  if (!line.startsWith('{')) return undefined;
  const { member, payload } = JSON.parse(line) as BusMessage;
  const [begins] = payload?.data ?? [];
  return member === 'PrepareForShutdown' && typeof begins === 'boolean' ? begins : undefined;
}
