/**
 * Transcripts: text files of commands, each with what it must print. `$ ` begins a command of the shell, `> ` goes on with
 * it; `## ` is a remark; everything else is output (both streams) up to the next command, and `[exit N]` ends that of a
 * command that failed. With RECORD=1 in the environment outputs are written instead of compared.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Step {
  readonly remarks: readonly string[];
  readonly command: string;
  readonly expected: string;
}

/** Runs one command; returns what it printed. */
export type Shell = (command: string) => Promise<string>;

/** Every output differs that is in the result. */
export interface Difference {
  readonly command: string;
  readonly actual: string;
  readonly expected: string;
}

export function parseTranscript(text: string): Step[] {
  const steps: { remarks: string[]; command: string; output: string[] }[] = [];
  let remarks: string[] = [];
  for (const line of text.split('\n')) {
    const step = steps.at(-1);
    if (line.startsWith('## ')) remarks.push(line);
    else if (line.startsWith('$ ')) {
      steps.push({ remarks, command: line.slice(2), output: [] });
      remarks = [];
    } else if (line.startsWith('> ') && step && step.output.length === 0) step.command += `\n${line.slice(2)}`;
    else step?.output.push(line);
  }
  return steps.map(({ output, ...step }) => ({ ...step, expected: output.join('\n').trimEnd() }));
}

const formatTranscript = (steps: readonly Step[]): string =>
  steps
    .map(({ remarks, command, expected }) => {
      const lines = [...remarks, `$ ${command.replaceAll('\n', '\n> ')}`, ...(expected ? [expected] : [])];
      return `${lines.join('\n')}\n`;
    })
    .join('\n');

/** `blur` takes out of both what does not count. */
export async function playTranscript(
  file: string,
  shell: Shell,
  { record = false, blur = (output: string) => output } = {},
): Promise<Difference[]> {
  const steps = parseTranscript(readFileSync(file, 'utf8'));
  const played: Step[] = [];
  const differences: Difference[] = [];
  for (const step of steps) {
    const actual = (await shell(step.command)).trimEnd();
    const expected = step.expected;
    if (blur(actual) !== blur(expected)) differences.push({ command: step.command, actual, expected });
    played.push({ ...step, expected: actual });
  }
  if (record) writeFileSync(file, formatTranscript(played));
  return record ? [] : differences;
}
