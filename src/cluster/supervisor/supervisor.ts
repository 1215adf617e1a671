// Starts a cluster's processes in their network namespaces, hands them the sockets it opened in the machine's own,
// restarts what crashes, keeps their logs. It ends when told to; its children end when it is gone.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { ChildMessage } from './child-link.ts';
import { type ChildState, type ChildStatus, type Controlled, type SupervisorStatus, serveControl } from './control.ts';
import { type ListenerSpec, openListener, portOf } from './listener.ts';
import { type LogFile, openLogFile } from './log-file.ts';

export interface ChildSpec {
  /** Its log is `<name>.log`. */
  readonly name: string;
  /** Arguments for Node, the script first. */
  readonly args: readonly string[];
  /** Path of a network namespace to run in; absent: the supervisor's own. */
  readonly namespace?: string;
  /** Opened by the supervisor in its own namespace and handed over. */
  readonly listeners?: readonly ListenerSpec[];
}

export interface SupervisorConfig {
  readonly controlSocket: string;
  readonly logDirectory: string;
  readonly children: readonly ChildSpec[];
}

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Told once every port is open and the control socket answers: port by `child/listener`. */
  readonly onListening?: (ports: Readonly<Record<string, number>>) => void;
}

const firstDelayMs = 250;
const longestDelayMs = 10_000;
/** A child that ran this long starts over with the shortest delay. */
const steadyMs = 60_000;
const drainMs = 15_000;

export class Supervisor implements Service, Controlled {
  readonly name = 'supervisor';
  readonly #config: SupervisorConfig;
  readonly #options: SupervisorOptions;
  readonly #children: Child[];
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();

  constructor(config: SupervisorConfig, options: SupervisorOptions) {
    this.#config = config;
    this.#options = options;
    this.#children = config.children.map(spec => new Child(spec, config.logDirectory, options, () => this.#changed()));
  }

  async run(signal: AbortSignal): Promise<void> {
    const inner = AbortSignal.any([signal, this.#stop.signal]);
    const ports = await this.#openPorts();
    const control = await serveControl(this.#config.controlSocket, this);
    try {
      this.#options.onListening?.(ports);
      await Promise.all(this.#children.map(child => child.run(inner)));
    } finally {
      control.close();
    }
  }

  // Before any child starts: a port in use is an error of whoever asked for it, not a reason to try again.
  async #openPorts(): Promise<Record<string, number>> {
    const opened = await Promise.allSettled(this.#children.map(child => child.open()));
    const failed = opened.find(o => o.status === 'rejected');
    if (failed) {
      for (const child of this.#children) child.closePorts();
      throw failed.reason;
    }
    return Object.assign({}, ...this.#children.map(c => c.ports));
  }

  status(): SupervisorStatus {
    return { pid: process.pid, stopping: this.#stop.signal.aborted, children: this.#children.map(c => c.status) };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#stop.abort();
  }

  restart(name: string): boolean {
    const child = this.#children.find(c => c.status.name === name);
    child?.end();
    return child !== undefined;
  }

  /** Ends what is left at once; for a second SIGTERM. */
  kill(): void {
    for (const child of this.#children) child.kill();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

class Child {
  status: ChildStatus;
  ports: Record<string, number> = {};
  readonly #spec: ChildSpec;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #logPath: string;
  readonly #changed: () => void;
  #open: { readonly spec: ListenerSpec; readonly server: Server }[] = [];
  #process: ChildProcess | undefined;

  constructor(spec: ChildSpec, logDirectory: string, options: SupervisorOptions, changed: () => void) {
    this.#spec = spec;
    this.#clock = options.clock;
    this.#log = options.log.with({ child: spec.name });
    this.#logPath = join(logDirectory, `${spec.name}.log`);
    this.#changed = changed;
    this.status = { name: spec.name, state: 'starting', sinceMs: options.clock.now(), restarts: 0 };
  }

  /** Opens its ports; a port once chosen stays the same. */
  async open(): Promise<void> {
    for (const spec of this.#spec.listeners ?? []) {
      const key = `${this.#spec.name}/${spec.name}`;
      const known = this.ports[key];
      const server = await openListener(known === undefined ? spec : { ...spec, port: known, orAny: false });
      this.ports[key] = portOf(server);
      this.#open.push({ spec, server });
    }
  }

  closePorts(): void {
    for (const { server } of this.#open) server.close();
    this.#open = [];
  }

  async run(signal: AbortSignal): Promise<void> {
    const log = openLogFile(this.#logPath);
    let delayMs = firstDelayMs;
    try {
      while (!signal.aborted) {
        const began = this.#clock.monotonic();
        const lastExit = await this.#once(signal, log).catch((error: Error) => error.message);
        if (signal.aborted) break;
        this.#log.warn('ended by itself', { how: lastExit });
        if (this.#clock.monotonic() - began > steadyMs) delayMs = firstDelayMs;
        this.#set('waiting', { lastExit, restarts: this.status.restarts + 1 });
        await this.#clock.sleep(delayMs, signal).catch(() => {});
        delayMs = Math.min(delayMs * 2, longestDelayMs);
      }
    } finally {
      this.#set('stopped');
      this.closePorts();
      log.close();
    }
  }

  /** One life: resolves with how it ended. */
  async #once(signal: AbortSignal, log: LogFile): Promise<string> {
    if (this.#open.length === 0) await this.open();
    const child = this.#spawn();
    this.#process = child;
    this.#set('starting', { phase: 'starting' });
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', bytes => log.write(bytes));
    child.on('message', message => this.#hear(message as ChildMessage));
    const ended = new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, by) => resolve(by ? `killed by ${by}` : `exit code ${code}`));
    });
    const closed = new Promise(resolve => child.once('close', resolve));
    this.#handOver(child);
    const stop = () => this.#drain(child);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      const how = await ended;
      // Its last words; something it started may hold the pipes open longer.
      await Promise.race([closed, this.#clock.sleep(300)]);
      return how;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#process = undefined;
    }
  }

  #spawn(): ChildProcess {
    const { namespace, args } = this.#spec;
    const [command = '', ...rest] = namespace
      ? ['nsenter', `--net=${namespace}`, process.execPath, ...args]
      : [process.execPath, ...args];
    return spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  }

  // Two holders would share the connections between them, so this end closes once the other has it.
  #handOver(child: ChildProcess): void {
    for (const { spec, server } of this.#open)
      child.send({ type: 'listener', name: spec.name }, server, error => {
        if (error) this.#log.warn('handing over a port failed', { port: spec.name, error });
        server.close();
      });
    this.#open = [];
  }

  #hear(message: ChildMessage): void {
    if (message?.type === 'ready') this.#set('ready', { phase: 'ready' });
    else if (message?.type === 'phase') this.#set(this.status.state, { phase: message.phase });
    else if (message?.type === 'failed') this.#set(this.status.state, { phase: message.message });
  }

  #drain(child: ChildProcess): void {
    this.#set('stopping');
    child.kill('SIGTERM');
    const timer = this.#clock.after(drainMs, () => child.kill('SIGKILL'));
    child.once('exit', () => timer.cancel());
  }

  end(): void {
    this.#process?.kill('SIGTERM');
  }

  kill(): void {
    this.#process?.kill('SIGKILL');
  }

  #set(state: ChildState, more: Partial<ChildStatus> = {}): void {
    const { pid, ...old } = this.status;
    const running = this.#process?.pid;
    const sinceMs = state === old.state ? old.sinceMs : this.#clock.now();
    this.status = { ...old, ...more, state, sinceMs, ...(running === undefined ? {} : { pid: running }) };
    this.#changed();
  }
}
