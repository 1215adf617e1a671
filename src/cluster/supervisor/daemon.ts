// The supervisor as a process of its own: started by `k8ts up`, it outlives the terminal.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { makeDirectory } from '../host/file.ts';
import { identityOf, type ProcessIdentity } from '../host/process-identity.ts';
import { Supervisor, type SupervisorConfig } from './supervisor.ts';

/** What the daemon tells the one who started it, before it lets go of it. */
type Report =
  | { readonly type: 'listening'; readonly ports: Readonly<Record<string, number>> }
  | { readonly type: 'failed'; readonly message: string };

const report = (message: Report): Promise<void> =>
  new Promise(resolve => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, undefined, undefined, () => {
      if (process.connected) process.disconnect?.();
      resolve();
    });
  });

/** Runs until the signal aborts or somebody asks it to stop. */
export async function runSupervisor(file: string, signal: AbortSignal, clock: Clock): Promise<void> {
  const log = createLog('supervisor', { clock });
  const config = JSON.parse(readFileSync(file, 'utf8')) as SupervisorConfig;
  const onListening = (ports: Readonly<Record<string, number>>) => {
    log.info('started', { pid: process.pid, children: config.children.length });
    void report({ type: 'listening', ports });
  };
  const supervisor = new Supervisor(config, { clock, log, onListening });
  try {
    await supervisor.run(signal);
    log.info('stopped');
  } catch (error) {
    await report({ type: 'failed', message: messageOf(error) });
    throw error;
  }
}

/** Starts it detached; resolves once its ports are open and its control socket answers. */
export function startSupervisor(
  main: string,
  configFile: string,
  logDirectory: string,
): Promise<{ identity: ProcessIdentity; ports: Readonly<Record<string, number>> }> {
  makeDirectory(logDirectory, 0o711);
  const log = openSync(join(logDirectory, 'supervisor.log'), 'a', 0o600);
  const child = spawn(process.execPath, ['--max-semi-space-size=1', main, 'supervisor', '--config', configFile], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code =>
      reject(
        new Error(`starting the supervisor: it ended with code ${code}; see ${join(logDirectory, 'supervisor.log')}`),
      ),
    );
    child.on('message', message => {
      const said = message as Report;
      if (said.type === 'failed') return reject(new Error(said.message));
      const identity = identityOf(child.pid!);
      child.removeAllListeners('exit');
      if (child.connected) child.disconnect();
      child.unref();
      if (identity) resolve({ identity, ports: said.ports });
      else reject(new Error('starting the supervisor: it ended at once'));
    });
  });
}
