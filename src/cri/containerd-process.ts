import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import { findProgram, runProgram } from './command.ts';
import { containerdRuntime } from './containerd.ts';
import { type DestroyOptions, destroyContainers, stopContainers } from './containerd-cleanup.ts';
import { type ContainerdOptions, containerdConfig, restrictOomScoreAdj, snapshotterFor } from './containerd-config.ts';
import { containerdVersion } from './containerd-version.ts';
import { rotateOpenLog } from './open-log.ts';

export interface ContainerdProcessOptions extends ContainerdOptions {
  /** The network namespace it and its containers' host network live in, as a path; the current one when absent. */
  readonly networkNamespace?: string;
  /** Appended to, and kept below some 10 MB; `containerd.log` in the state directory when absent. */
  readonly logFile?: string;
  readonly clock: Clock;
  readonly log: Log;
}

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 10_000;
const healthyMs = 60_000;
const longestDelayMs = 30_000;
const logCheckMs = 60_000;

/**
 * A containerd of this node's own: written its configuration, started, restarted with back-off when it dies, stopped on
 * abort. Containers outlive it: their shims are processes of their own, which the next containerd finds again.
 */
export class ContainerdProcess implements Service {
  readonly name = 'containerd';
  readonly #options: ContainerdProcessOptions;
  readonly #ready = Promise.withResolvers<void>();
  #running = false;

  constructor(options: ContainerdProcessOptions) {
    this.#options = options;
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when containerd first answers on its socket; rejects when `run` ends before. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Rejects at once when a program is missing or the socket's path too long. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    this.#running = true;
    const ended = new AbortController();
    let logKept: Promise<void> | undefined;
    try {
      const command = await this.#prepare();
      logKept = this.#keepLogShort(AbortSignal.any([signal, ended.signal]));
      for (let delayMs = 1000; !signal.aborted; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
        const startedMs = clock.monotonic();
        await this.#runOnce(command, signal);
        if (signal.aborted) break;
        if (clock.monotonic() - startedMs > healthyMs) delayMs = 1000;
        log.error('containerd ended; starting it again', { delayMs, logTail: this.#logTail() });
        await clock.sleep(delayMs, signal).catch(() => {});
      }
    } catch (error) {
      this.#ready.reject(error);
      throw error;
    } finally {
      ended.abort();
      await logKept;
      this.#running = false;
    }
    this.#ready.reject(new Error('containerd was stopped before it answered'));
  }

  /** Stops every container (SIGTERM, then SIGKILL after the grace period) and every sandbox; leaves them in place. */
  async stopContainers(graceSeconds = 30): Promise<void> {
    const runtime = containerdRuntime(this.#options);
    try {
      await stopContainers(runtime, graceSeconds);
    } finally {
      runtime.close();
    }
  }

  /**
   * See destroyContainers. Works while `run` goes on and without it: then a containerd that an earlier process has left
   * behind is used for it and stopped afterwards.
   */
  async destroyContainers(options: Partial<DestroyOptions> = {}): Promise<void> {
    await destroyContainers({ ...this.#options, ...options });
    if (!this.#running) await this.#stopPredecessor();
  }

  get #pidFile(): string {
    return join(this.#options.state, 'containerd.pid');
  }

  get #configFile(): string {
    return join(this.#options.root, 'config.toml');
  }

  get #logFile(): string {
    return this.#options.logFile ?? join(this.#options.state, 'containerd.log');
  }

  async #prepare(): Promise<string[]> {
    const { root, state, socket, networkNamespace } = this.#options;
    if (Buffer.byteLength(socket) > 100) throw new Error(`start containerd: socket path too long: "${socket}"`);
    const containerd = findProgram('containerd');
    if (!containerd)
      throw new Error('start containerd: not found on PATH; install containerd (Debian, Ubuntu, Fedora: containerd)');
    if (!findProgram('runc')) throw new Error('start containerd: runc not found on PATH; install runc');
    for (const directory of [root, state, dirname(socket), dirname(this.#logFile)])
      mkdirSync(directory, { recursive: true, mode: 0o711 });
    const version = containerdVersion(await runProgram(containerd, ['--version']));
    const config = {
      ...this.#options,
      snapshotter: this.#options.snapshotter ?? snapshotterFor(root),
      restrictOomScoreAdj: this.#options.restrictOomScoreAdj ?? restrictOomScoreAdj(),
    };
    writeFileSync(this.#configFile, containerdConfig(config, version));
    await this.#stopPredecessor();
    const command = [containerd, '--config', this.#configFile];
    // nsenter execs, so the process is containerd itself; `ip netns exec` would hide /sys/fs/cgroup.
    return networkNamespace ? ['nsenter', `--net=${networkNamespace}`, ...command] : command;
  }

  // A killed agent leaves its containerd, which holds the lock on the root directory.
  async #stopPredecessor(): Promise<void> {
    const pid = readPid(this.#pidFile);
    if (!pid || !this.#isOurs(pid)) return;
    this.#options.log.info('stopping the containerd of a previous run', { pid });
    await this.#stop(pid, () => !this.#isOurs(pid));
    rmSync(this.#pidFile, { force: true });
  }

  #isOurs(pid: number): boolean {
    try {
      const [program, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return /(^|\/)(containerd|nsenter)$/.test(program ?? '') && args.includes(this.#configFile);
    } catch {
      return false;
    }
  }

  // It writes two lines for each container that ends, for months.
  async #keepLogShort(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await rotateOpenLog(this.#logFile).catch(error =>
        log.warn("rotating containerd's log failed", { error: messageOf(error) }),
      );
      await clock.sleep(logCheckMs, signal).catch(() => {});
    }
  }

  async #runOnce(command: readonly string[], signal: AbortSignal): Promise<void> {
    const { clock, log, socket } = this.#options;
    // A socket left behind would be dialled before the new one is there.
    rmSync(socket, { force: true });
    const output = openSync(this.#logFile, 'a');
    const child = spawn(command[0]!, command.slice(1), { detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    const ended = exited(child);
    if (child.pid === undefined) throw new Error(`start containerd: ${(await ended) ?? 'no process'}`);
    writeFileSync(this.#pidFile, `${child.pid}\n`);
    const attempt = new AbortController();
    const both = AbortSignal.any([signal, attempt.signal]);
    const startMs = clock.monotonic();
    const answering = waitForSocket(this.#options, both).then(
      () => {
        log.info('containerd answers', { pid: child.pid, socket, startMs: Math.round(clock.monotonic() - startMs) });
        this.#ready.resolve();
      },
      error => {
        if (both.aborted) return;
        log.error('containerd does not answer; stopping it', { error: messageOf(error), logTail: this.#logTail() });
        return this.#stop(child.pid!, () => child.exitCode !== null || child.signalCode !== null);
      },
    );
    const onAbort = Promise.withResolvers<void>();
    const abort = () => onAbort.resolve();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    await Promise.race([ended, onAbort.promise]);
    signal.removeEventListener('abort', abort);
    attempt.abort();
    if (signal.aborted) await this.#stop(child.pid, () => child.exitCode !== null || child.signalCode !== null);
    await Promise.all([ended, answering]);
    rmSync(this.#pidFile, { force: true });
  }

  /** SIGTERM, then SIGKILL; that process only. */
  async #stop(pid: number, gone: () => boolean): Promise<void> {
    const { clock } = this.#options;
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      if (gone()) return;
      try {
        process.kill(pid, name);
      } catch {
        return;
      }
      const endMs = clock.monotonic() + stopTimeoutMs;
      while (!gone() && clock.monotonic() < endMs) await clock.sleep(10);
    }
  }

  #logTail(): string {
    try {
      return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
    } catch {
      return '';
    }
  }
}

function readPid(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function exited(child: ChildProcess): Promise<string | undefined> {
  return new Promise(resolve => {
    child.once('error', error => resolve(error.message));
    child.once('exit', (code, name) => resolve(`exit ${name ?? code}`));
  });
}

async function waitForSocket(options: ContainerdProcessOptions, signal: AbortSignal): Promise<void> {
  const { clock } = options;
  const endMs = clock.monotonic() + readyTimeoutMs;
  const runtime = containerdRuntime(options);
  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        await runtime.Version({}, { signal, timeoutMs: 5000 });
        return;
      } catch (error) {
        if (signal.aborted || clock.monotonic() > endMs) throw error;
      }
      await clock.sleep(25, signal);
    }
  } finally {
    runtime.close();
  }
}
