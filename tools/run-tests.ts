// Runs the tests: `unit` (side by side, under a minute), `slow` (*.slow.test.ts: other programs, crashes; no root
// needed), `root` (*.root.test.ts, one file after the other), `all`; more arguments narrow the files to those whose path
// contains one of them. Last line: `tests: N passed, N failed, N skipped`.
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

type Kind = 'unit' | 'slow' | 'root';
const project = resolve(import.meta.dirname, '..');
const total = { passed: 0, failed: 0, skipped: 0 };

const kindOf = (file: string): Kind =>
  file.endsWith('.root.test.ts') ? 'root' : file.endsWith('.slow.test.ts') ? 'slow' : 'unit';

function testFiles(kind: Kind, only: readonly string[]): string[] {
  return globSync('{src,tools,test,examples}/**/*.test.ts', { cwd: project, exclude: ['**/node_modules/**'] })
    .filter(f => kindOf(f) === kind)
    .filter(f => only.length === 0 || only.some(o => f.includes(o)))
    .sort();
}

/** Failures and what tests print go out as they happen; passing tests only count. */
async function runTests(kind: Kind, only: readonly string[]): Promise<void> {
  const files = testFiles(kind, only);
  if (files.length === 0) return void console.log(`${kind}: no test files`);
  const began = performance.now();
  const events = run({
    files: files.map(f => resolve(project, f)),
    concurrency: kind === 'unit' ? availableParallelism() : 1,
  });
  const failures = new spec();
  failures.pipe(process.stdout);
  let passed = 0;
  const took: [file: string, ms: number][] = [];
  for await (const event of events as AsyncIterable<{ type: string; data: any }>) {
    const { type, data } = event;
    if (type === 'test:summary' && data.file) took.push([where(data.file), data.duration_ms]);
    if (type === 'test:stderr' || type === 'test:stdout') process.stdout.write(data.message);
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite' && type === 'test:pass') continue;
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
  failures.end();
  await finished(failures);
  total.passed += passed;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const slowest = took.sort((a, b) => b[1] - a[1]).slice(0, 8);
  console.log(`${kind}: slowest: ${slowest.map(([file, ms]) => `${file} ${(ms / 1000).toFixed(1)} s`).join(', ')}`);
  console.log(`${kind}: ${files.length} files, ${passed} tests passed, ${seconds} s`);
}

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
