import { examine, type Finding } from '../doctor.ts';
import type { CliContext } from './context.ts';
import { CliError } from './exit.ts';

const words: Record<Finding['level'], string> = { ok: 'ok', warning: 'warning', problem: 'PROBLEM' };

/** Prints one line a check; fails when there is a problem. */
export async function doctor(context: CliContext, options: { output?: string }): Promise<void> {
  const findings = await examine(context.env);
  if (options.output === 'json') context.print(`${JSON.stringify(findings, undefined, 2)}\n`);
  else for (const f of findings) context.print(line(f));
  const problems = findings.filter(f => f.level === 'problem').length;
  if (problems) throw new CliError(`${problems} problem${problems === 1 ? '' : 's'} found`);
}

const line = (f: Finding): string =>
  `${words[f.level].padEnd(8)} ${f.name}: ${f.found}${f.remedy ? ` -> ${f.remedy}` : ''}\n`;
