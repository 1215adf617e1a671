// npm start and npm test on a copy of the project: what they do in which order, say, and end with.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { copyProject, nobodyCanRun, olderNode } from './project-copy.ts';

const isRoot = process.getuid?.() === 0;
const skip = nobodyCanRun ? {} : { skip: 'the user nobody cannot run this Node' };
const notRoot = 'this is not root, and network namespaces and containers need root';
/** Lines with their seconds left out. */
const lines = (text: string) =>
  text
    .replace(/\d+\.\d s/g, 'N s')
    .split('\n')
    .slice(0, -1);

test(
  'npm start installs the packages, falls back to simulated nodes with a word, and does no more than is needed',
  skip,
  async () => {
    using copy = copyProject({ withoutPackages: true });
    const first = await copy.run('bin/start.js');
    assert.deepEqual(lines(first.stderr), [
      'k8ts: installing npm packages (npm ci --no-fund --no-audit)',
      'k8ts: installing npm packages: done in N s',
      `k8ts: simulated nodes instead of containers: ${notRoot}`,
    ]);
    assert.deepEqual([first.code, lines(first.stdout)], [0, ['bundle', 'k8ts up --nodes 2 --simulate']]);
    assert.deepEqual(copy.calls(), ['npm ci --no-fund --no-audit']);
    const second = await copy.run('bin/start.js', ['--simulate', '3'], { env: { STUB_EXIT: '7' } });
    assert.deepEqual([second.code, second.stderr], [7, '']);
    assert.deepEqual(lines(second.stdout), ['bundle', 'k8ts up --simulate 3']);
    for (const [given, passed] of [
      [['--simulate'], '--simulate --nodes 2'],
      [['--simulate=4'], '--simulate=4'],
      [['--yes', '--name', 'x'], '--name x --nodes 2 --simulate'],
      [['--nodes', '1'], '--nodes 1 --simulate'],
      [['--config', 'f'], '--config f --simulate'],
      [['-h'], '--help'],
    ] as const)
      assert.equal(lines((await copy.run('bin/start.js', given)).stdout).at(-1), `k8ts up ${passed}`);
    assert.deepEqual(copy.calls(), [], 'nothing was missing any more');
  },
);

test('npm start as root sets the machine up before it brings up nodes', { skip: !isRoot && 'needs root' }, async () => {
  using copy = copyProject();
  const run = async (...args: string[]) => lines((await copy.run('bin/start.js', args, { root: true })).stdout);
  assert.deepEqual(await run(), ['bundle', 'k8ts setup', 'k8ts up --nodes 2']);
  assert.deepEqual(await run('-y'), ['bundle', 'k8ts setup --yes', 'k8ts up --nodes 2']);
  assert.deepEqual(await run('--simulate'), ['bundle', 'k8ts up --simulate --nodes 2']);
  assert.deepEqual(await run('--help'), ['bundle', 'k8ts up --help']);
  const failed = await copy.run('bin/start.js', [], { root: true, env: { STUB_EXIT: '3' } });
  assert.deepEqual([failed.code, lines(failed.stdout)], [3, ['bundle', 'k8ts setup']]);
});

test('npm test: packages, the machine, the gate, slow tests, root tests or why not', skip, async () => {
  using copy = copyProject({ withoutPackages: true });
  const run = (root: boolean, env: object = {}, ...args: string[]) =>
    copy.run('bin/test.js', args, { root, env: { ...env } });
  const user = await run(false);
  assert.deepEqual(lines(user.stdout), ['bundle', 'run-tests slow', `run-tests list-root ${notRoot}`]);
  assert.deepEqual(copy.calls(), ['npm ci --no-fund --no-audit', 'npm run --silent ok']);
  if (isRoot) {
    const { stdout } = await run(true, { CI: 'true' }, '--yes');
    assert.deepEqual(lines(stdout), ['bundle', 'k8ts setup --yes --etcd', 'run-tests slow', 'run-tests root']);
    const failed = await run(true, { STUB_EXIT: '3' });
    assert.deepEqual([failed.code, lines(failed.stdout)], [3, ['bundle', 'k8ts setup']]);
  }
  copy.fake('npm', "process.exitCode = args[0] === 'run' ? 5 : 0;");
  const gate = await run(false);
  assert.deepEqual([gate.code, lines(gate.stdout)], [5, ['bundle']]);
});

test('what npm test leaves out is listed, with the reason', async () => {
  const project = join(import.meta.dirname, '..', '..');
  const args = ['tools/run-tests.ts', 'list-root', 'this', 'is', 'a', 'test'];
  const [head, ...files] = lines((await promisify(execFile)(process.execPath, args, { cwd: project })).stdout);
  const all = globSync('{src,tools,test,examples}/**/*.root.test.ts', { cwd: project });
  assert.equal(head, `left out: ${all.length} files of tests that need root on Linux, because this is a test:`);
  assert.deepEqual(files.map(file => file.trim()).sort(), all.sort());
});

test('what is in the way is named, with what to do', skip, async () => {
  using copy = copyProject({ withoutPackages: true });
  const lacks = 'the npm packages of package-lock.json are not installed';
  const fails = async (said: RegExp) => {
    const { code, stdout, stderr } = await copy.run('bin/start.js');
    assert.deepEqual([code, stdout], [1, ''], stderr);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, / {4}at /);
  };
  copy.fake('npm', "console.error('npm error network request to registry failed'); process.exitCode = 1;");
  await fails(
    /^k8ts: installing npm packages \(npm ci .*\)\nnpm error network .*\nk8ts: installing npm packages failed after .* s; why stands above\n$/,
  );
  chmodSync(copy.root, 0o555);
  await fails(
    new RegExp(`^k8ts: ${lacks}, and this user may not write to ${copy.root}: run npm ci there as its owner\n$`),
  );
  chmodSync(copy.root, 0o755);
  rmSync(join(copy.programs, 'npm'));
  await fails(
    new RegExp(
      `^k8ts: ${lacks}, and there is no npm on the PATH: install it \\(Debian: apt-get install npm\\) and try again\n$`,
    ),
  );
});

test('packages of another version, or taken away, are installed anew', skip, async () => {
  using copy = copyProject();
  const present = join(copy.root, 'node_modules', '.package-lock.json');
  const lock = JSON.parse(readFileSync(present, 'utf8'));
  copy.fake('npm');
  const installs = async () => {
    await copy.run('bin/start.js');
    return copy.calls().length > 0;
  };
  const write = (packages: object) => {
    rmSync(present); // it is a hard link
    writeFileSync(present, JSON.stringify({ ...lock, packages }));
  };
  assert.equal(await installs(), false);
  const { 'node_modules/yaml': yaml, ...others } = lock.packages;
  write(others);
  assert.equal(await installs(), true);
  write({ ...others, 'node_modules/yaml': { ...yaml, version: '1.0.0' } });
  assert.equal(await installs(), true);
  write(lock.packages);
  assert.equal(await installs(), false);
  rmSync(join(copy.root, 'node_modules', 'yaml'), { recursive: true });
  assert.equal(await installs(), true);
});

test('a bundle that cannot be made is told, and the source runs', skip, async () => {
  using copy = copyProject();
  writeFileSync(join(copy.root, 'tools', 'bundle.ts'), 'process.exitCode = 1;');
  const { code, stdout, stderr } = await copy.run('bin/start.js', ['--simulate']);
  assert.deepEqual([code, lines(stderr)], [0, ['k8ts: running the source without a bundle']]);
  assert.deepEqual(lines(stdout), ['k8ts up --simulate --nodes 2']);
});

test('from a fresh copy to a cluster and its next steps, with an older Node', skip, async () => {
  using copy = copyProject({ whole: true, withoutPackages: true });
  const node = olderNode ?? process.execPath;
  const up = await copy.run('bin/start.js', ['--yes'], { node });
  try {
    assert.equal(up.code, 0, up.stderr);
    const told = lines(up.stderr);
    assert.deepEqual(
      told.slice(0, 2).map(l => l.slice(0, 29)),
      ['k8ts: installing npm packages', 'k8ts: installing npm packages'],
    );
    assert.ok(told.includes(`k8ts: simulated nodes instead of containers: ${notRoot}`));
    assert.match(up.stderr, /^\d{4}-\S+Z preparing keys \(\d+\.\d s\)$/m);
    assert.match(up.stderr, /^Cluster dev is up in \d+\.\d s: 2 simulated nodes, https:\/\/127\.0\.0\.1:\d+$/m);
    assert.deepEqual(told.slice(told.indexOf('Next:')), [
      'Next:',
      `  kubectl get nodes                 # context k8ts-dev in ${join(copy.home, 'config')}`,
      '  kubectl create deployment web --image=IMAGE --replicas=2',
      '  k8ts status                       # and: k8ts logs, k8ts stop, k8ts down',
      'There is no kubectl on the PATH: https://kubernetes.io/docs/tasks/tools/ tells how to install it.',
    ]);
    assert.ok(existsSync(join(copy.root, '.cache', 'bundle', 'current.json')));
    copy.calls();
    const began = performance.now();
    const again = await copy.run('bin/start.js', [], { node });
    const tookMs = performance.now() - began;
    assert.equal(lines(again.stderr)[0], `k8ts: simulated nodes instead of containers: ${notRoot}`);
    assert.match(lines(again.stderr)[1]!, /^Cluster dev is already running: 2 simulated nodes, https:/);
    assert.deepEqual(copy.calls(), []);
    assert.ok(tookMs < 1000, `a second run took ${tookMs} ms`);
  } finally {
    const down = await copy.run('bin/k8ts.js', ['down'], { node });
    assert.equal(down.code, 0, down.stderr);
  }
});
