import { createInterface } from 'node:readline/promises';
import { messageOf } from '../../base/assert.ts';
import { aptListsThere, etcdNeeds, installSteps, missingNeeds, packageManager, runStep, type Step } from '../setup.ts';
import { isRoot } from '../state.ts';
import type { CliContext } from './context.ts';
import { CliError, exitCode } from './exit.ts';

export interface SetupOptions {
  readonly yes?: boolean;
  /** Also etcd, for its tests, where it can be had. */
  readonly etcd?: boolean;
}

/** Installs what is missing; nothing missing: nothing said. */
export async function setup(context: CliContext, options: SetupOptions): Promise<void> {
  await setupNodes(context, options);
  if (options.etcd && missingNeeds(etcdNeeds).length > 0) await setupEtcd(context);
}

async function setupEtcd(context: CliContext): Promise<void> {
  const manager = packageManager();
  try {
    if (!manager || !isRoot()) throw new CliError('it takes root and a package manager known to k8ts');
    await runSteps(context, installSteps(manager, missingNeeds(etcdNeeds), aptListsThere()), true);
  } catch (error) {
    if (context.signal.aborted) throw error;
    context.talk.say(`No etcd: ${messageOf(error)}. Its tests are left out.`);
  }
}

async function setupNodes(context: CliContext, options: SetupOptions): Promise<void> {
  if (process.platform !== 'linux') throw new CliError(`this is ${process.platform}: nodes with containers need Linux`);
  const missing = missingNeeds();
  if (missing.length === 0) return;
  const list = missing.map(n => n.package).join(', ');
  if (!isRoot()) throw new CliError(`missing: ${list}`, exitCode.failure, 'run it as root: sudo k8ts setup');
  const manager = packageManager();
  if (!manager)
    throw new CliError(
      `missing: ${list}`,
      exitCode.failure,
      'no package manager known to k8ts is here: install them by hand',
    );
  context.talk.say('This machine lacks:');
  for (const n of missing) context.talk.say(`  ${n.elsewhere?.[manager] ?? n.package} (${n.why})`);
  await confirm(context, options, manager);
  // Lists may be there and stale: only a failed install tells.
  const attempts = aptListsThere() ? [true, false] : [false];
  for (const [i, fresh] of attempts.entries()) {
    const ok = await runSteps(context, installSteps(manager, missing, fresh), i === attempts.length - 1);
    if (ok) break;
  }
  const left = missingNeeds();
  if (left.length > 0)
    throw new CliError(`${manager} succeeded, but still missing: ${left.map(n => n.package).join(', ')}`);
}

async function runSteps(context: CliContext, steps: readonly Step[], last: boolean): Promise<boolean> {
  for (const step of steps) {
    const phase = context.talk.phase(step.title);
    const said: string[] = [];
    try {
      await runStep(step, line => said.push(line), context.signal);
      phase.done();
    } catch (error) {
      phase.failed();
      if (!last && !context.signal.aborted) return false;
      for (const line of said.slice(-15)) context.talk.say(`  ${line}`);
      throw new CliError((error as Error).message, exitCode.failure, `by hand: ${step.command.join(' ')}`);
    }
  }
  return true;
}

async function confirm(context: CliContext, options: SetupOptions, manager: string): Promise<void> {
  const { CI } = context.env;
  if (options.yes || (CI && CI !== 'false' && CI !== '0')) return;
  if (!process.stdin.isTTY || !context.talk.isTerminal)
    throw new CliError('installing packages needs your word, and this is no terminal', exitCode.usage, 'add --yes');
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await ask
      .question(`Install them with ${manager}? [Y/n] `, { signal: context.signal })
      .catch(error => {
        if (context.signal.aborted) throw error;
        return 'no'; // Ctrl-D or Ctrl-C
      });
    if (!/^(|y|yes)$/i.test(answer.trim())) throw new CliError('nothing installed', exitCode.failure);
  } finally {
    ask.close();
  }
}
