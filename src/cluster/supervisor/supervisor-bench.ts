// What the supervisor's tests share: a child that answers HTTP with its network's links, crashes and ignores on request.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { askSupervisor, type SupervisorStatus } from './control.ts';
import { type ChildSpec, Supervisor } from './supervisor.ts';

const childLinkUrl = new URL('./child-link.ts', import.meta.url).href;

const program = `
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { childLink } from '${childLinkUrl}';
const link = childLink();
const stop = () => { console.log('draining'); process.exit(0); };
process.on('SIGTERM', stop);
link.orphaned.addEventListener('abort', stop);
link.phase('listening');
const http = createServer((request, response) => {
  if (request.url === '/crash') process.exit(9);
  const links = readFileSync('/proc/net/dev', 'utf8').split('\\n').slice(2).map(l => l.split(':')[0].trim()).filter(Boolean);
  response.end(JSON.stringify({ pid: process.pid, links }));
});
const socket = await link.listener('api');
http.listen(socket, () => { console.log('serving'); link.ready(); });
`;

export interface Bench {
  readonly directory: string;
  readonly supervisor: Supervisor;
  readonly ports: Readonly<Record<string, number>>;
  readonly log: string[];
  /** Resolves when the status passes. */
  until(passes: (status: SupervisorStatus) => boolean): Promise<SupervisorStatus>;
  ask(path?: string): Promise<{ pid: number; links: string[] }>;
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

/** Runs a supervisor over one child named `web`, with a port of its own. */
export async function startBench(more: Partial<ChildSpec> = {}): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-sup-'));
  const script = join(directory, 'child.mjs');
  writeFileSync(script, program);
  const controlSocket = join(directory, 'control.sock');
  const log: string[] = [];
  const listening = Promise.withResolvers<Readonly<Record<string, number>>>();
  const supervisor = new Supervisor(
    {
      controlSocket,
      logDirectory: join(directory, 'log'),
      children: [{ name: 'web', args: [script], listeners: [{ name: 'api', host: '127.0.0.1', port: 0 }], ...more }],
    },
    {
      clock: systemClock,
      log: createLog('supervisor', { write: line => log.push(line) }),
      onListening: listening.resolve,
    },
  );
  const done = supervisor.run(new AbortController().signal);
  done.catch(listening.reject);
  const ports = await listening.promise.catch(error => {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  });
  return {
    directory,
    supervisor,
    ports,
    log,
    done,
    async until(passes) {
      for await (const status of askSupervisor(controlSocket, { op: 'watch' })) if (passes(status)) return status;
      throw new Error('the supervisor ended first');
    },
    ask: async (path = '/') => (await fetch(`http://127.0.0.1:${ports['web/api']}${path}`)).json() as never,
    async stop() {
      supervisor.stop();
      await done;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
