// Tells the service manager that the kubelet is alive, as long as it is: systemd ends and restarts one that is not.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';

export interface WatchdogSettings {
  /** Undefined: the service manager is told of the start, and asks for nothing more. */
  readonly timeoutMs: number | undefined;
  /** Node has no datagram sockets of Unix: a program sends it, in the name of its parent. */
  notify(state: string): Promise<void>;
}

export interface WatchdogOptions extends WatchdogSettings {
  readonly clock: Clock;
  readonly log: Log;
  ready(): Promise<void>;
  /** Why the kubelet is not well; empty when it is. */
  problems(): readonly string[];
}

const leastTimeoutMs = 2000;

export function createWatchdog({ timeoutMs, notify, clock, log, ready, problems }: WatchdogOptions): Service {
  const tell = (state: string) =>
    notify(state).catch(error => log.warn('telling the service manager failed', { state, error: messageOf(error) }));
  return {
    name: 'watchdog',
    async run(signal) {
      ready().then(
        () => tell('READY=1'),
        () => {},
      );
      if (timeoutMs !== undefined && timeoutMs < leastTimeoutMs)
        log.error('configure watchdog timeout too small', { timeoutMs, leastTimeoutMs });
      const everyMs = timeoutMs !== undefined && timeoutMs >= leastTimeoutMs ? timeoutMs / 2 : undefined;
      if (everyMs) log.info('Starting systemd watchdog with interval', { everyMs });
      while (!signal.aborted) {
        await clock.sleep(everyMs ?? forever, signal).catch(() => {});
        if (signal.aborted || !everyMs) continue;
        const wrong = problems();
        if (wrong.length)
          log.error('the kubelet is not well: the service manager is not told that it lives', { wrong });
        else await tell('WATCHDOG=1');
      }
    },
  };
}

const forever = 2 ** 31 - 1;
const notifyMs = 5000;

/** What the service manager asks of this process; undefined: nothing. */
export function watchdogSettings(
  env: NodeJS.ProcessEnv,
  process: { readonly pid: number; readonly ppid: number },
): WatchdogSettings | undefined {
  if (!env.NOTIFY_SOCKET) return undefined;
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: asked } = env;
  // The program that started this one is the service's own, where there is one in between.
  const ours = !asked || [process.pid, process.ppid].includes(Number(asked));
  const timeoutMs = ours && microseconds && Number(microseconds) > 0 ? Number(microseconds) / 1000 : undefined;
  const run = promisify(execFile);
  return {
    timeoutMs,
    async notify(state) {
      await run('systemd-notify', ['--no-block', state], { env, timeout: notifyMs });
    },
  };
}
