// The k8ts command's entry. What the supervisor starts comes first, loaded without the command line's own code.

import { BugError, messageOf } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { roleArguments } from './role-arguments.ts';
import { type ChildLink, childLink } from './supervisor/child-link.ts';

// By then all parts run.
const settledMs = 6000;

type Role = (file: string, signal: AbortSignal, link: ChildLink, flags: readonly string[]) => Promise<void>;

const surroundings = (name: string, link: ChildLink) => ({
  clock: systemClock,
  random: systemRandom,
  log: createLog(name),
  link,
});

const roles: Record<string, Role> = {
  async server(file, signal, link, flags) {
    (await import('./collect-garbage.ts')).countMemoryTogether();
    const { run } = await import('./server-role.ts');
    await run(file, signal, surroundings('server', link), flags);
  },
  async agent(file, signal, link) {
    const { run } = await import('./agent-role.ts');
    await run(file, signal, surroundings('agent', link));
  },
  async forward(file, signal, link) {
    const [{ runForwards }, { readRoleConfig }] = await Promise.all([import('./forwarder.ts'), import('./role.ts')]);
    await runForwards(readRoleConfig(file), signal, surroundings('forward', link));
  },
  async supervisor(file, signal) {
    const { runSupervisor } = await import('./supervisor/daemon.ts');
    await runSupervisor(file, signal, systemClock);
  },
};

async function keepCode(): Promise<void> {
  (await import('./code-cache.ts')).keepCode();
}

// In this order: functions that have not run for a while may lose their code when garbage is collected.
async function settle(): Promise<void> {
  await keepCode();
  (await import('./collect-garbage.ts')).collectGarbage();
}

/** Where it comes from matters; an outcome has told what failed. */
const isBug = (error: unknown): boolean =>
  [BugError, TypeError, ReferenceError, RangeError, SyntaxError].some(type => error instanceof type);

/** Runs a daemon until SIGTERM, SIGINT or the end of its supervisor; a second signal ends it at once. */
async function runRole(name: string, role: Role, file: string, flags: readonly string[]): Promise<void> {
  const link = childLink();
  let ready = false;
  const toldReady = () => {
    ready = true;
    link.ready();
  };
  const stop = new AbortController();
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(signal === 'SIGINT' ? 130 : 143);
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  // A terminal that closes does not end a daemon.
  process.on('SIGHUP', () => {});
  if (name !== 'supervisor') link.orphaned.addEventListener('abort', () => stop.abort(link.orphaned.reason));
  if (name === 'server' || name === 'agent') systemClock.after(settledMs, () => void settle());
  try {
    await role(file, stop.signal, { ...link, ready: toldReady }, flags);
    if (ready) await keepCode();
    process.exit(0);
  } catch (error) {
    link.failed(messageOf(error));
    createLog(name).error('cannot go on', { error });
    if (isBug(error) || process.env.K8TS_DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
    process.exit(1);
  }
}

const [command = '', ...rest] = process.argv.slice(2);
const role = Object.hasOwn(roles, command) ? roles[command] : undefined;
const { file, flags } = roleArguments(rest);
if (role && file && (command === 'server' || flags.length === 0)) {
  await runRole(command, role, file, flags);
} else {
  const [{ main }, { componentCommands }] = await Promise.all([
    import('./cli/program.ts'),
    import('./cli/component.ts'),
  ]);
  process.exitCode = await main(process.argv, import.meta.filename);
  // Retries of theirs would hold up whoever starts it again.
  if (componentCommands.has(command)) process.stdout.write('', () => process.exit());
}
