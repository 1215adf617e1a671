import type { Container, LifecycleHandler, Probe } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import { isRuntimeError } from '../../cri/runtime-error.ts';
import { expand } from '../kernel/expansion.ts';
import { portOf } from '../kernel/probe.ts';
import type { ProbeNetwork, ProbeResult } from './network.ts';

export interface ProbeTarget {
  readonly container: Container;
  readonly containerId: string;
  /** Where the pod answers. */
  readonly podIp: string;
}

const maxOutput = 10 * 1024;
/** Of a probe that says neither yes nor no. */
const maxTries = 3;
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes?.subarray(0, maxOutput));

/** Carries out one probe, or the part of a hook that is like one. */
export class Prober {
  readonly #runtime: ContainerRuntime;
  readonly #network: ProbeNetwork;

  constructor(runtime: ContainerRuntime, network: ProbeNetwork) {
    this.#runtime = runtime;
    this.#network = network;
  }

  async probe(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#once(probe, target);
      if (answer.result !== 'error' || tries === maxTries) return answer;
    }
  }

  async #once(probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    try {
      if (probe.exec) return await this.#exec(probe.exec.command ?? [], target, timeoutMs);
      if (probe.httpGet) return await this.#http(probe.httpGet, target, timeoutMs);
      if (probe.tcpSocket) return await this.#tcp(probe.tcpSocket, target, timeoutMs);
      if (probe.grpc)
        return await this.#network.grpc(target.podIp, probe.grpc.port, probe.grpc.service ?? '', timeoutMs);
    } catch (error) {
      return { result: 'error', output: messageOf(error) };
    }
    return { result: 'error', output: `missing probe handler for ${target.container.name}` };
  }

  async #exec(command: readonly string[], target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
    const values = new Map((target.container.env ?? []).map(e => [e.name, e.value ?? '']));
    const cmd = command.map(word => expand(word, name => values.get(name)));
    try {
      const answer = await this.#runtime.ExecSync(
        { container_id: target.containerId, cmd, timeout: Math.ceil(timeoutMs / 1000) },
        { timeoutMs: timeoutMs + 10_000 },
      );
      const output = text(answer.stdout) + text(answer.stderr);
      return { result: (answer.exit_code ?? 0) === 0 ? 'success' : 'failure', output };
    } catch (error) {
      if (isRuntimeError(error, 'DeadlineExceeded'))
        return {
          result: 'failure',
          output: `command timed out: ${JSON.stringify(cmd.join(' '))} timed out after ${timeoutMs / 1000}s`,
        };
      throw error;
    }
  }

  async #http(
    get: NonNullable<LifecycleHandler['httpGet']>,
    target: ProbeTarget,
    timeoutMs: number,
  ): Promise<ProbeResult> {
    const port = portOf(get.port, target.container);
    if (port === undefined) return { result: 'error', output: `invalid port number: ${get.port}` };
    return this.#network.http({
      scheme: get.scheme ?? 'HTTP',
      host: get.host || target.podIp,
      port,
      path: get.path || '/',
      headers: (get.httpHeaders ?? []).map(h => ({ name: h.name, value: h.value ?? '' })),
      timeoutMs,
    });
  }

  async #tcp(
    socket: NonNullable<LifecycleHandler['tcpSocket']>,
    target: ProbeTarget,
    timeoutMs: number,
  ): Promise<ProbeResult> {
    const port = portOf(socket.port, target.container);
    if (port === undefined) return { result: 'error', output: `invalid port number: ${socket.port}` };
    return this.#network.tcp(socket.host || target.podIp, port, timeoutMs);
  }
}
