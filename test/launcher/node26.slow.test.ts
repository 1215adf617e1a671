// bin/k8ts.js and bin/node26.js: from the Node at hand to Node 26, whatever becomes of the child.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { copyProject, nobodyCanRun, olderNode } from './project-copy.ts';

const node = olderNode ?? '';
const skip = !olderNode
  ? { skip: 'no Node of version 20 to 25 is on the PATH' }
  : nobodyCanRun
    ? {}
    : { skip: 'the user nobody cannot run this Node' };

test('arguments, standard streams, exit codes and signals pass through', skip, async () => {
  using copy = copyProject();
  const script = join(copy.root, 'script.mjs');
  writeFileSync(
    script,
    `const [what] = process.argv.slice(2);
if (what === 'say') console.log(process.versions.node.split('.')[0], process.argv.slice(2).join('|'), process.env.MALLOC_ARENA_MAX);
if (what === 'copy') process.stdin.pipe(process.stdout);
if (what === 'code') process.exitCode = 42;
if (what === 'wait') {
  process.on('SIGTERM', () => process.exit(7));
  setInterval(() => {}, 1000);
  console.log('waiting');
}
if (what === 'die') process.kill(process.pid, 'SIGKILL');
`,
  );
  const run = (...args: string[]) => copy.run('bin/node26.js', [script, ...args], { node });
  assert.equal((await run('say', 'two words', '')).stdout, '26 say|two words| 1\n');
  assert.equal((await run('code')).code, 42);
  const start = (...args: string[]) =>
    spawn(node, [join(copy.root, 'bin', 'node26.js'), script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const copying = start('copy');
  copying.stdin.end('what comes in');
  assert.equal((await copying.stdout.setEncoding('utf8').toArray()).join(''), 'what comes in');
  const waiting = start('wait');
  await once(waiting.stdout, 'data');
  waiting.kill('SIGTERM');
  assert.deepEqual(await once(waiting, 'exit'), [7, null]);
  assert.deepEqual(await once(start('die'), 'exit'), [null, 'SIGKILL']);
  const usage = await copy.run('bin/node26.js', [], { node });
  assert.deepEqual([usage.code, usage.stderr], [2, 'usage: node bin/node26.js SCRIPT [ARGUMENTS]\n']);
});

test('the command in a project that is not installed, or installed without its install scripts', skip, async () => {
  using copy = copyProject({ withoutPackages: true });
  const fails = async (script: string, said: string) => {
    const { code, stdout, stderr } = await copy.run(script, ['src/cluster/main.ts'], { node });
    assert.deepEqual([code, stdout, stderr], [1, '', said]);
  };
  const missing = `k8ts: the npm package "node" is not installed: run npm ci in ${copy.root}\n`;
  await fails('bin/k8ts.js', missing);
  await fails('bin/node26.js', missing);
  // npm with ignore-scripts: the package is there, the program is not.
  const folder = join(copy.root, 'node_modules', 'node');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{}');
  const install = (source: string) => writeFileSync(join(folder, 'installArchSpecificPackage.js'), source);
  install("console.error('no network'); process.exit(1);");
  const fetching = 'k8ts: fetching Node 26 (its npm install script has not run)\nno network\n';
  const advice = `installing Node 26 failed: run npm rebuild node in ${copy.root} and see what it says`;
  await fails('bin/k8ts.js', `${fetching}k8ts: ${advice}\n`);
  chmodSync(folder, 0o777);
  const link = `fs.symlinkSync(${JSON.stringify(process.execPath)}, 'bin/node');`;
  install(`const fs = require('node:fs'); fs.mkdirSync('bin'); ${link}`);
  const { code, stdout, stderr } = await copy.run('bin/k8ts.js', ['version', '-o', 'json'], { node });
  assert.deepEqual([code, stdout], [0, 'k8ts version -o json\n']);
  assert.equal(stderr, 'k8ts: fetching Node 26 (its npm install script has not run)\n');
});

test('npm start says in one line why Node 26 cannot be had', skip, async () => {
  using copy = copyProject();
  rmSync(join(copy.root, 'node_modules', 'node', 'bin'), { recursive: true });
  const script = join(copy.root, 'node_modules', 'node', 'installArchSpecificPackage.js');
  rmSync(script, { force: true });
  writeFileSync(script, 'process.exit(1);');
  const { code, stderr } = await copy.run('bin/start.js', [], { node });
  assert.equal(code, 1);
  assert.match(stderr, /^k8ts: fetching Node 26 .*\nk8ts: installing Node 26 failed: run npm rebuild node in .*\n$/);
});

test('in a project that may not be written compiled code is kept with the user', skip, async () => {
  using copy = copyProject();
  const readOnly = async (env: object) => {
    const { code, stdout } = await copy.run('bin/k8ts.js', ['version'], { node, env: { ...env } });
    assert.deepEqual([code, stdout], [0, 'k8ts version\n']);
  };
  writeFileSync(join(copy.root, '.cache'), ''); // no folder can be made there
  await readOnly({});
  assert.ok(existsSync(join(copy.home, '.cache', 'k8ts', 'compile')));
  await readOnly({ XDG_CACHE_HOME: join(copy.home, 'elsewhere') });
  assert.ok(existsSync(join(copy.home, 'elsewhere', 'k8ts', 'compile')));
});
