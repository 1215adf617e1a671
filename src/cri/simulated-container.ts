import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import { RuntimeError } from './runtime-error.ts';
import type { ContainerConfig, ContainerState, ContainerStatus, ExecSyncResponse, PodSandboxConfig } from './type.ts';

/** What a simulated container does; everything is optional, and nothing at all runs until it is stopped. */
export interface ContainerBehaviour {
  /** CreateContainer takes so long. */
  readonly createDelayMs?: number;
  /** CreateContainer fails with this text. */
  readonly createError?: string;
  /** StartContainer takes so long. */
  readonly startDelayMs?: number;
  /** StartContainer fails with this text. */
  readonly startError?: string;
  /** Ends by itself so long after its start. */
  readonly exitAfterMs?: number;
  /** Of ending by itself; 0 when absent. */
  readonly exitCode?: number;
  /** Ends by itself because it ran out of memory: exit code 137, reason OOMKilled, an oom event. */
  readonly oom?: boolean;
  /** Ends so long after SIGTERM; at once when absent. */
  readonly stopDelayMs?: number;
  /** Of ending by SIGTERM; 143 when absent. */
  readonly stopExitCode?: number;
  /** Ends by SIGKILL only, with code 137. */
  readonly ignoresTerm?: boolean;
  /** Lines on stdout at the start. */
  readonly logs?: readonly string[];
  readonly cpuMilli?: number;
  readonly memoryBytes?: number;
  /** Results by command, its words joined by blanks; `*` for any other. Unknown commands succeed silently. */
  readonly exec?: Readonly<Record<string, ExecBehaviour>>;
  /** What those hear who ask it over the network; the first of this port and path counts. */
  readonly probes?: readonly NetworkBehaviour[];
}

export interface NetworkBehaviour {
  readonly port?: number;
  readonly path?: string;
  /** By milliseconds since the start, in order; success before the first. */
  readonly results: readonly { readonly afterMs: number; readonly fails: boolean }[];
}

export interface ExecBehaviour {
  readonly exitCode?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly durationMs?: number;
}

/** Of a container or its pod, in JSON: what the simulated container does. The container's wins. */
export const behaviourAnnotation = 'k8ts.local/simulate';

export function annotatedBehaviour(config: ContainerConfig, sandbox: PodSandboxConfig): ContainerBehaviour | undefined {
  const text = config.annotations?.[behaviourAnnotation] ?? sandbox.annotations?.[behaviourAnnotation];
  return text === undefined ? undefined : JSON.parse(text);
}

export interface ContainerHost {
  readonly clock: Clock;
  /** Whether log files are written. */
  readonly writesLogs: boolean;
  emit(type: 'started' | 'exited' | 'deleted' | 'oom', id: string): void;
}

const killedExitCode = 137;

/** One container's life: created, running, exited. Times are nanoseconds since the epoch, as in the protocol. */
export class SimulatedContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly imageRef: string;
  readonly behaviour: ContainerBehaviour;
  readonly createdAt: number;
  readonly #host: ContainerHost;
  readonly #logPath: string;
  state: ContainerState = 'CONTAINER_CREATED';
  startedAt = 0;
  finishedAt = 0;
  exitCode = 0;
  reason = '';
  #exitTimer: Timer | undefined;
  readonly #ended = Promise.withResolvers<void>();

  constructor(
    host: ContainerHost,
    id: string,
    sandbox: { id: string; config: PodSandboxConfig },
    container: { config: ContainerConfig; imageRef: string; behaviour: ContainerBehaviour },
  ) {
    this.#host = host;
    this.id = id;
    this.sandboxId = sandbox.id;
    this.config = container.config;
    this.imageRef = container.imageRef;
    this.behaviour = container.behaviour;
    this.createdAt = nanoseconds(host.clock);
    const { log_path: file } = container.config;
    this.#logPath = file ? join(sandbox.config.log_directory ?? '', file) : '';
  }

  async start(): Promise<void> {
    const { startDelayMs, startError, exitAfterMs } = this.behaviour;
    if (this.state !== 'CONTAINER_CREATED')
      throw new RuntimeError('StartContainer', 'Unknown', `container "${this.id}" is in ${this.state} state`);
    if (startDelayMs) await this.#host.clock.sleep(startDelayMs);
    if (startError !== undefined) {
      this.#end(128, 'StartError');
      throw new RuntimeError('StartContainer', 'Unknown', startError);
    }
    // Removed or stopped meanwhile.
    if (this.state !== 'CONTAINER_CREATED') return;
    this.state = 'CONTAINER_RUNNING';
    this.startedAt = nanoseconds(this.#host.clock);
    this.#host.emit('started', this.id);
    this.#writeLogs();
    if (exitAfterMs !== undefined) this.#exitTimer = this.#host.clock.after(exitAfterMs, () => this.#exit());
  }

  /** Resolves when it has ended: by SIGTERM within the grace period, else by SIGKILL. */
  async stop(graceMs: number): Promise<void> {
    if (this.state === 'CONTAINER_CREATED') this.#end(killedExitCode, 'Error');
    if (this.state !== 'CONTAINER_RUNNING') return;
    const { stopDelayMs = 0, stopExitCode = 143, ignoresTerm } = this.behaviour;
    const obeys = graceMs > 0 && !ignoresTerm && stopDelayMs <= graceMs;
    const code = obeys ? stopExitCode : killedExitCode;
    const afterMs = obeys ? stopDelayMs : graceMs;
    if (afterMs === 0) return this.#end(code);
    const timer = this.#host.clock.after(afterMs, () => this.#end(code));
    await this.#ended.promise;
    timer.cancel();
  }

  async exec(cmd: readonly string[], timeoutMs: number): Promise<ExecSyncResponse> {
    if (this.state !== 'CONTAINER_RUNNING')
      throw new RuntimeError('ExecSync', 'Unknown', `failed to exec in container: container is in ${this.state} state`);
    const { exec = {} } = this.behaviour;
    const { exitCode = 0, stdout = '', stderr = '', durationMs = 0 } = exec[cmd.join(' ')] ?? exec['*'] ?? {};
    const tooLong = timeoutMs > 0 && durationMs > timeoutMs;
    if (durationMs > 0) await this.#host.clock.sleep(tooLong ? timeoutMs : durationMs);
    if (tooLong)
      throw new RuntimeError(
        'ExecSync',
        'DeadlineExceeded',
        `failed to exec in container: timeout ${timeoutMs / 1000}s exceeded: context deadline exceeded`,
      );
    return { stdout: Buffer.from(stdout), stderr: Buffer.from(stderr), exit_code: exitCode };
  }

  /** Whether a request over the network fails now; undefined when nothing is said about this port and path. */
  refuses(port: number, path: string | undefined): boolean | undefined {
    const of = this.behaviour.probes?.find(p => (p.port ?? port) === port && (p.path ?? path) === path);
    if (!of) return undefined;
    const sinceMs = (nanoseconds(this.#host.clock) - this.startedAt) / 1e6;
    return of.results.findLast(r => r.afterMs <= sinceMs)?.fails ?? false;
  }

  status(): ContainerStatus {
    const { metadata, image, labels, annotations, mounts } = this.config;
    return {
      id: this.id,
      metadata,
      state: this.state,
      created_at: this.createdAt,
      started_at: this.startedAt,
      finished_at: this.finishedAt,
      exit_code: this.exitCode,
      image,
      image_ref: this.imageRef,
      reason: this.reason,
      message: this.reason === 'StartError' ? (this.behaviour.startError ?? '') : '',
      labels: labels ?? {},
      annotations: annotations ?? {},
      mounts: mounts ?? [],
      log_path: this.#logPath,
    };
  }

  /** Nanoseconds of processor time since the start. */
  cpuUsage(): number {
    if (this.startedAt === 0) return 0;
    const until = this.finishedAt || nanoseconds(this.#host.clock);
    return Math.round(((until - this.startedAt) * (this.behaviour.cpuMilli ?? 1)) / 1000);
  }

  #exit(): void {
    if (this.behaviour.oom) {
      this.#host.emit('oom', this.id);
      this.#end(killedExitCode, 'OOMKilled');
    } else this.#end(this.behaviour.exitCode ?? 0);
  }

  #end(code: number, reason = code === 0 ? 'Completed' : 'Error'): void {
    if (this.state === 'CONTAINER_EXITED') return;
    const ran = this.state === 'CONTAINER_RUNNING';
    this.#exitTimer?.cancel();
    this.state = 'CONTAINER_EXITED';
    this.finishedAt = nanoseconds(this.#host.clock);
    this.exitCode = code;
    this.reason = reason;
    this.#ended.resolve();
    if (!ran) return;
    this.#host.emit('exited', this.id);
    this.#host.emit('deleted', this.id);
  }

  #writeLogs(): void {
    const { logs = [] } = this.behaviour;
    if (!this.#logPath || !this.#host.writesLogs) return;
    const time = new Date(this.#host.clock.now()).toISOString().replace('Z', '000000Z');
    mkdirSync(dirname(this.#logPath), { recursive: true });
    appendFileSync(this.#logPath, logs.map(l => `${time} stdout F ${l}\n`).join(''));
  }
}

export function nanoseconds(clock: Clock): number {
  return clock.now() * 1e6;
}
