// k8ts setup with a fake apt-get: what it says, when it asks, what it runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aptListsThere, etcdNeeds, missingNeeds } from '../../src/cluster/setup.ts';
import { copyProject, nobodyCanRun, type ProjectCopy, type RunOptions, scriptProgram } from './project-copy.ts';

/** What a PATH of fakes leaves missing: what lies in the administrator's folders is found all the same. */
function missingWithoutPath(needs?: Parameters<typeof missingNeeds>[0]): string[] {
  const { PATH } = process.env;
  process.env.PATH = '';
  try {
    return missingNeeds(needs).map(n => n.package);
  } finally {
    process.env.PATH = PATH;
  }
}

const missing = missingWithoutPath();
const list = missing.join(', ');
const skip =
  process.getuid?.() !== 0
    ? { skip: 'needs root' }
    : missing.length === 0 || missing.includes('containernetworking-plugins')
      ? { skip: 'nothing, or more than programs, is missing without a PATH' }
      : nobodyCanRun
        ? {}
        : { skip: 'the user nobody cannot run this Node' };

/** Puts the programs of the packages it is asked for onto the PATH. */
const installs = `
const programs = { 'util-linux': ['nsenter', 'umount'], 'busybox-static': ['busybox'], nftables: ['nft'], iproute2: ['ip'],
  'etcd-server': ['etcd'], 'etcd-client': ['etcdctl'] };
const names = args.includes('install') ? args.slice(args.indexOf('install') + 1) : [];
for (const name of names)
  for (const program of programs[name] ?? [name]) fs.writeFileSync(__dirname + '/' + program, '', { mode: 0o755 });`;
const fails = "console.log('E: Unable to fetch'); process.exitCode = 100;";
const update = 'apt-get -q update';
const install = (packages: readonly string[]) =>
  `apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 install ${packages.join(' ')}`;

const setup = (copy: ProjectCopy, args: readonly string[], how: RunOptions = {}) =>
  copy.run('src/cluster/main.ts', ['setup', ...args], { root: true, ...how });
const withApt = (then: string) => {
  const copy = copyProject({ whole: true });
  copy.fake('apt-get', then);
  return copy;
};

test('what is missing is told and installed without a question: --yes, CI', skip, async () => {
  for (const [args, env] of [
    [['--yes'], {}],
    [[], { CI: 'true' }],
  ] as const) {
    using copy = withApt(installs);
    const { code, stdout, stderr } = await setup(copy, args, { env });
    assert.deepEqual([code, stdout], [0, ''], stderr);
    const [head, ...lines] = stderr.split('\n').slice(0, -1);
    assert.equal(head, 'This machine lacks:');
    for (const [i, name] of missing.entries()) assert.match(lines[i]!, new RegExp(`^ {2}${name} \\(.+\\)$`));
    assert.match(lines.at(-1)!, new RegExp(`^\\S+Z installing ${list} \\(\\d+\\.\\d s\\)$`));
    assert.deepEqual(copy.calls(), [...(aptListsThere() ? [] : [update]), install(missing)]);
    assert.deepEqual(await setup(copy, []), { code: 0, stdout: '', stderr: '' }, 'nothing to do, nothing said');
    assert.deepEqual(copy.calls(), []);
  }
});

test('neither a terminal nor a word: it is asked for', skip, async () => {
  using copy = withApt(installs);
  for (const CI of ['', 'false', '0']) {
    const { code, stderr } = await setup(copy, [], { env: { CI } });
    assert.equal(code, 2);
    assert.match(stderr, /\nk8ts: installing packages needs your word, and this is no terminal\n {2}add --yes\n$/);
  }
  assert.deepEqual(copy.calls(), []);
});

const onTerminal = skip.skip ? skip : scriptProgram ? {} : { skip: 'there is no script(1)' };
test('on a terminal it asks: yes, no, and the end of the input', onTerminal, async () => {
  using copy = withApt('');
  const ask = async (typed: string) => {
    const { code, stdout } = await setup(copy, [], { typed, env: { TERM: 'xterm' } });
    assert.match(stdout, /This machine lacks:\r\n/);
    assert.match(stdout, /Install them with apt-get\? \[Y\/n\] /);
    const installed = copy.calls().includes(install(missing));
    assert.equal(installed, !/k8ts: nothing installed\r\n$/.test(stdout), stdout);
    assert.equal(code, 1);
    return installed;
  };
  assert.equal(await ask('\n'), true);
  assert.equal(await ask('Yes\n'), true);
  assert.equal(await ask('n\n'), false);
  assert.equal(await ask('what?\n'), false);
  assert.equal(await ask('\x04'), false);
});

test('a package manager that fails: its last words, and what to do by hand', skip, async () => {
  using copy = withApt(fails);
  const { code, stderr } = await setup(copy, ['--yes']);
  assert.equal(code, 1);
  const calls = copy.calls();
  assert.deepEqual(calls, aptListsThere() ? [install(missing), update] : [update], 'lists may be stale: fetched anew');
  assert.match(
    stderr,
    / fetching package lists: failed \(.* s\)\n {2}E: Unable to fetch\nk8ts: .*\n {2}by hand: apt-get -q update\n$/,
  );
  copy.fake('apt-get');
  const nothing = await setup(copy, ['--yes']);
  assert.deepEqual(
    [nothing.code, nothing.stderr.split('\n').at(-2)],
    [1, `k8ts: apt-get succeeded, but still missing: ${list}`],
  );
});

test('without root or a package manager: what is missing, and what to do', skip, async () => {
  using copy = copyProject({ whole: true });
  const user = await setup(copy, ['--yes'], { root: false });
  assert.deepEqual([user.code, user.stderr], [1, `k8ts: missing: ${list}\n  run it as root: sudo k8ts setup\n`]);
  const none = await setup(copy, ['--yes']);
  const byHand = 'no package manager known to k8ts is here: install them by hand';
  assert.deepEqual([none.code, none.stderr], [1, `k8ts: missing: ${list}\n  ${byHand}\n`]);
});

const etcd = missingWithoutPath(etcdNeeds);
test(
  'etcd for the tests, where it can be had',
  skip.skip || etcd.length === 2 ? skip : { skip: 'etcd is found without a PATH' },
  async () => {
    using copy = withApt(installs);
    assert.equal((await setup(copy, ['--yes'])).code, 0);
    copy.calls();
    copy.fake('apt-get', fails);
    const without = await setup(copy, ['--yes', '--etcd']);
    assert.equal(without.code, 0);
    assert.match(without.stderr, /^No etcd: .*\. Its tests are left out\.$/m);
    copy.fake('apt-get', installs);
    copy.calls();
    assert.equal((await setup(copy, ['--yes', '--etcd'])).code, 0);
    assert.equal(copy.calls().at(-1), install(etcd));
  },
);
