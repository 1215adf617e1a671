// Runs fuzz targets for a while, one after the other, and says what broke and how to see it again.
import { memoryUsage } from 'node:process';
import { inspect } from 'node:util';
import { caseSeed, chanceOf } from './chance.ts';
import type { Target } from './target.ts';

export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly number: number;
  readonly error: unknown;
  readonly input: unknown;
}

export interface FuzzOptions {
  readonly seed: number;
  /** In all, shared by the targets as they weigh. */
  readonly seconds: number;
  /** Only this case. */
  readonly only?: number | undefined;
  /** After so many findings a target is left. */
  readonly mostFindings?: number;
  report?(line: string): void;
}

// What one case may leave in memory is not told from what the collector has not come to: this is for floods.
const mostMemoryBytes = 2 * 1024 ** 3;
// An `await` of a settled promise hands nothing to sockets and timers.
const pauseEvery = 50;

export async function fuzz(targets: readonly Target[], options: FuzzOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  const stray: unknown[] = [];
  const onStray = (error: unknown) => stray.push(error);
  process.on('unhandledRejection', onStray);
  process.on('uncaughtException', onStray);
  try {
    const weights = targets.reduce((sum, target) => sum + weightOf(target), 0);
    for (const target of targets) {
      const seconds = (options.seconds * weightOf(target)) / weights;
      findings.push(...(await fuzzOne(target, { ...options, seconds }, stray)));
    }
  } finally {
    process.off('unhandledRejection', onStray);
    process.off('uncaughtException', onStray);
  }
  return findings;
}

const weightOf = ({ weight = 1 }: Target): number => weight;

async function fuzzOne(target: Target, options: FuzzOptions, stray: unknown[]): Promise<Finding[]> {
  const { seed, only, seconds, mostFindings = 10, report } = options;
  const findings: Finding[] = [];
  const kinds = new Set<string>();
  const until = performance.now() + seconds * 1000;
  let number = only ?? 0;
  const found = (error: unknown, input: unknown) => {
    const finding = { target: target.name, seed, number, error, input };
    findings.push(finding);
    report?.(describeFinding(finding));
  };
  for (; performance.now() < until && findings.length < mostFindings; number++) {
    let input: unknown;
    try {
      const running = target.run(chanceOf(caseSeed(seed, target.name, number)), given => {
        input = given;
      });
      if (running) await running;
      if (number % pauseEvery === 0) {
        await new Promise(setImmediate);
        await target.check?.();
        if (memoryUsage.rss() > mostMemoryBytes)
          throw new Error(`memory grew to ${(memoryUsage.rss() / 2 ** 20) | 0} MiB`);
      }
      if (stray.length) throw stray.shift();
    } catch (error) {
      const kind = kindOf(error);
      if (!kinds.has(kind)) found(error, input);
      kinds.add(kind);
    }
    if (only !== undefined) break;
  }
  await new Promise(setImmediate);
  await target.check?.().catch(error => stray.push(error));
  for (const error of stray.splice(0)) found(error, undefined);
  const counts = `${number} cases, ${findings.length} findings, ${(memoryUsage.rss() / 2 ** 20) | 0} MiB`;
  report?.(`${target.name}: ${counts}${target.summary ? `; ${target.summary()}` : ''}`);
  return findings;
}

// The same fault is found again and again: told by where it was thrown, or by its words without figures and names.
function kindOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const thrown = /error="(\w+: .*?\\n {4}at .*?)\\n/.exec(text)?.[1];
  return thrown ?? text.slice(0, 80).replace(/\d+/g, '0');
}

/** For people: what broke, with what, and the command that shows it again. */
export function describeFinding({ target, seed, number, error, input }: Finding): string {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  return [
    `${target} #${number}: ${error instanceof Error ? error.stack : inspect(error)}`,
    `  input: ${text?.slice(0, 2000)}`,
    `  again: node bin/node26.js tools/fuzz.ts ${target} --seed ${seed} --case ${number}`,
  ].join('\n');
}
