// Runs the tests: `unit` (side by side, under a minute), `slow` (*.slow.test.ts: other programs, crashes; no root
// needed), `root` (*.root.test.ts, first those that may run two at a time, then the others), `all`; more arguments narrow
// the files to those whose path contains one of them. Last line: `tests: N passed, N failed, N skipped`.
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { type Kind, roundsOf } from './test-rounds.ts';

const project = resolve(import.meta.dirname, '..');
const total = { passed: 0, failed: 0, skipped: 0 };

const kindOf = (file: string): Kind =>
  file.endsWith('.root.test.ts') ? 'root' : file.endsWith('.slow.test.ts') ? 'slow' : 'unit';

function testFiles(kind: Kind, only: readonly string[]): string[] {
  return globSync('{src,tools,test,examples}/**/*.test.ts', { cwd: project, exclude: ['**/node_modules/**'] })
    .filter(f => kindOf(f) === kind)
    .filter(f => only.length === 0 || only.some(o => f.includes(o)))
    .sort()
    .reverse(); // the longest files happen to have late names: begun last, they would run alone at the end
}

/** Files of unit tests that share a process: enough that loading costs little, few enough that processors share evenly. */
const groupSize = 12;

/** What the runs of a kind's files tell. */
async function* events(kind: Kind, files: readonly string[]): AsyncGenerator<{ type: string; data: any }> {
  const paths = files.map(f => resolve(project, f));
  if (kind !== 'unit') {
    for (const round of roundsOf(kind, paths, f => readFileSync(f, 'utf8'), availableParallelism()))
      yield* run({ files: round.files, concurrency: round.atOnce, execArgv }) as AsyncIterable<any>;
    return;
  }
  const groups: string[][] = [];
  for (let i = 0; i < paths.length; i += groupSize) groups.push(paths.slice(i, i + groupSize));
  const merged = new PassThrough({ objectMode: true, highWaterMark: 1 << 20 });
  const entry = resolve(project, 'tools/test-group.ts');
  const work = async () => {
    for (let group = groups.shift(); group; group = groups.shift()) {
      for await (const event of run({ files: [entry], argv: group, execArgv }) as AsyncIterable<object>)
        merged.write(event);
    }
  };
  const workers = Promise.all(Array.from({ length: availableParallelism() + 1 }, work));
  void workers.then(
    () => merged.end(),
    error => merged.destroy(error),
  );
  yield* merged;
}

/** Failures and what tests print go out as they happen; passing tests only count. */
async function runTests(kind: Kind, only: readonly string[]): Promise<void> {
  const files = testFiles(kind, only);
  if (files.length === 0) return void console.log(`${kind}: no test files`);
  const began = performance.now();
  const failures = new spec();
  failures.pipe(process.stdout);
  let passed = 0;
  const unheard = new Set(files);
  const took: [file: string, ms: number][] = [];
  for await (const event of events(kind, files)) {
    const { type, data } = event;
    const isSuite = data?.details?.type === 'suite';
    const file = isSuite ? where(data.name) : type === 'test:summary' && kind !== 'unit' ? where(data.file) : undefined;
    if (file !== undefined && unheard.delete(file)) took.push([file, data.details?.duration_ms ?? data.duration_ms]);
    if (type === 'test:stderr' || type === 'test:stdout') process.stdout.write(data.message);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (isSuite && type === 'test:pass') continue;
    if (data.skip !== undefined || data.todo !== undefined) {
      total.skipped++;
      const why = data.skip ?? data.todo;
      console.log(`skipped: ${data.name}${typeof why === 'string' && why ? `: ${why}` : ''} (${where(data.file)})`);
    } else if (type === 'test:pass') {
      passed++;
    } else if (data.details?.error?.failureType !== 'subtestsFailed') {
      total.failed++;
      failures.write(event);
    }
  }
  for (const file of unheard) {
    total.failed++;
    console.log(`${file}: its process ended before the file had run`);
  }
  failures.end();
  await finished(failures);
  total.passed += passed;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const slowest = took.sort((a, b) => b[1] - a[1]).slice(0, 8);
  console.log(`${kind}: slowest: ${slowest.map(([file, ms]) => `${file} ${(ms / 1000).toFixed(1)} s`).join(', ')}`);
  console.log(`${kind}: ${files.length} files, ${passed} tests passed, ${seconds} s`);
}

// Node's runner hands every flag on, --report-signal too, which alone makes reports of a signal that tests send.
const execArgv = ['--no-report-on-signal'];

const where = (file: string | undefined): string => (file ? relative(project, file) : '?');

const [mode = 'unit', ...rest] = process.argv.slice(2);
if (mode === 'list-root') {
  const files = testFiles('root', []);
  console.log(`left out: ${files.length} files of tests that need root on Linux, because ${rest.join(' ')}:`);
  for (const f of files) console.log(`  ${f}`);
} else if (mode === 'unit' || mode === 'slow' || mode === 'root' || mode === 'all') {
  for (const kind of ['unit', 'slow', 'root'] as const) if (mode === kind || mode === 'all') await runTests(kind, rest);
  console.log(`tests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed ? 1 : 0;
} else {
  console.error('usage: run-tests.ts unit|slow|root|all [PATH-PART…]');
  process.exitCode = 2;
}
