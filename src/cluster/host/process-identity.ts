import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** A process that cannot be mistaken for a later one with the same pid, nor for one before a reboot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Boot id and start time in clock ticks; on other systems than Linux the start time as `ps` gives it. */
  readonly start: string;
}

let bootId: string | undefined;
const boot = (): string => {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
};

/** Undefined when there is no such process, or it is a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  try {
    if (process.platform !== 'linux') {
      const start = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
      return start ? { pid, start } : undefined;
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; what follows the last one is fixed.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, start: `${boot()}/${fields[19]}` };
  } catch {
    return undefined;
  }
}

export const sameProcess = (a: ProcessIdentity | undefined, b: ProcessIdentity | undefined): boolean =>
  a !== undefined && b !== undefined && a.pid === b.pid && a.start === b.start;

export const isAlive = (process: ProcessIdentity): boolean => sameProcess(identityOf(process.pid), process);

/** Sends a signal to exactly this process; false when it is gone. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch {
    return false;
  }
}

export interface ProcessInfo extends ProcessIdentity {
  readonly command: readonly string[];
}

/** All processes of this machine with their command lines (Linux). */
export function listProcesses(): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const identity = identityOf(Number(entry));
    if (!identity) continue;
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0').slice(0, -1);
      found.push({ ...identity, command });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
