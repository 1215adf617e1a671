// postStart and preStop.
import type { Container, LifecycleHandler, Pod } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { portOf } from './kernel/probe.ts';
import type { PodEvents } from './pod-event.ts';
import type { ProbeNetwork, ProbeResult } from './probe/network.ts';

export interface HookOptions {
  readonly runtime: ContainerRuntime;
  readonly network: ProbeNetwork;
  readonly clock: Clock;
  readonly events: PodEvents;
}

export interface HookTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly podIp: string;
}

const httpTimeoutMs = 600_000;
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** Runs a lifecycle handler to its end; rejects when it fails or the signal aborts. */
export async function runHook(
  o: HookOptions,
  handler: LifecycleHandler,
  target: HookTarget,
  signal: AbortSignal,
): Promise<void> {
  if (handler.exec) {
    const cmd = handler.exec.command ?? [];
    const answer = await o.runtime.ExecSync({ container_id: target.containerId, cmd, timeout: 0 }, { signal });
    if (answer.exit_code)
      throw new Error(
        `Exec lifecycle hook (${cmd}) for Container "${target.container.name}" failed - error: command '${cmd.join(' ')}' exited with ${answer.exit_code}: ${text(answer.stderr)}, message: "${text(answer.stdout)}${text(answer.stderr)}"`,
      );
  } else if (handler.httpGet) {
    const answer = await httpHook(o, handler.httpGet, target);
    if (answer.result !== 'success' && answer.result !== 'warning') throw new Error(answer.output);
  } else if (handler.sleep) {
    await o.clock.sleep(Number(handler.sleep.seconds) * 1000, signal);
  } else throw new Error(`invalid handler: ${JSON.stringify(handler)}`);
}

async function httpHook(
  o: HookOptions,
  get: NonNullable<LifecycleHandler['httpGet']>,
  target: HookTarget,
): Promise<ProbeResult> {
  const port = portOf(get.port || 80, target.container);
  if (port === undefined) throw new Error(`invalid port number: ${get.port}`);
  const probe = {
    host: get.host || target.podIp,
    port,
    path: get.path || '/',
    headers: (get.httpHeaders ?? []).map(h => ({ name: h.name, value: h.value ?? '' })),
    timeoutMs: httpTimeoutMs,
  };
  const scheme = get.scheme ?? 'HTTP';
  const answer = await o.network.http({ ...probe, scheme });
  if (
    scheme === 'HTTPS' &&
    answer.result === 'failure' &&
    /HTTP\/|wrong version number|packet length/i.test(answer.output)
  ) {
    const message = `request to HTTPS lifecycle hook ${probe.host}:${port}${probe.path} got HTTP response, retry with HTTP`;
    o.events.pod(target.pod, 'Warning', 'LifecycleHTTPFallback', message);
    return o.network.http({
      ...probe,
      scheme: 'HTTP',
      headers: probe.headers.filter(h => !/^authorization$/i.test(h.name)),
    });
  }
  return answer;
}
