// What `npm start` and `npm test` do first: the npm packages, then what the machine lacks. Nothing to do: milliseconds.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { currentBundle } from './entry.js';
import { nodeBinary, nodeEnvironment, root } from './node26.js';

/** True when node_modules holds exactly what package-lock.json asks for (platform-specific optional packages aside). */
export function packagesCurrent(folder = root) {
  let wanted;
  let present;
  try {
    wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages;
    present = JSON.parse(readFileSync(join(folder, 'node_modules', '.package-lock.json'), 'utf8')).packages;
  } catch {
    return false;
  }
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const have = present[path];
    if (!have) {
      if (entry.optional || entry.devOptional) continue;
      return false;
    }
    if (have.version !== entry.version || have.integrity !== entry.integrity) return false;
    if (!existsSync(join(folder, path))) return false;
  }
  return true;
}

/** One line with the seconds it took; the command's own output goes to standard error. */
export function step(title, command, args) {
  const began = performance.now();
  process.stderr.write(`k8ts: ${title} (${[command, ...args].join(' ')})\n`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (status !== 0) fail(`${title} failed after ${seconds} s${error ? `: ${error.message}` : '; why stands above'}`);
  process.stderr.write(`k8ts: ${title}: done in ${seconds} s\n`);
}

/** Libraries first: npm's install scripts run with the Node 26 that npm has just brought. `yes`: without asking. */
export function installPackages(yes) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) {
    process.stderr.write(`k8ts: needs Node 20 or newer to start with, this is ${process.versions.node}\n`);
    process.exit(1);
  }
  if (packagesCurrent()) return;
  const packages = 'the npm packages of package-lock.json are not installed';
  if (!isOnPath('npm'))
    fail(`${packages}, and there is no npm on the PATH: install it (Debian: apt-get install npm) and try again`);
  if (!isWritable(root)) fail(`${packages}, and this user may not write to ${root}: run npm ci there as its owner`);
  installLibatomic(yes);
  step('installing npm packages', 'npm', ['ci', '--no-fund', '--no-audit']);
}

const atomicPackages = [
  ['apt-get', 'libatomic1', ['install', '-y', '--no-install-recommends']],
  ['dnf', 'libatomic', ['install', '-y']],
  ['zypper', 'libatomic1', ['--non-interactive', 'install']],
  ['pacman', 'gcc-libs', ['-S', '--noconfirm']],
];

/** Node 26 is built against libatomic, which a minimal Debian lacks. */
function installLibatomic(yes) {
  if (process.platform !== 'linux' || hasLibrary('libatomic.so.1')) return;
  const found = atomicPackages.find(([manager]) => isOnPath(manager));
  const byHand = `install the package ${found?.[1] ?? 'libatomic1'} and try again`;
  if (!found || process.getuid() !== 0) fail(`Node 26 needs libatomic.so.1, which this machine lacks: ${byHand}`);
  const [manager, name, args] = found;
  if (!yes && process.stdin.isTTY && !confirmed(`k8ts: Node 26 needs ${name}. Install it with ${manager}? [Y/n] `))
    fail(byHand);
  if (manager === 'apt-get') step('fetching the package lists', 'apt-get', ['update', '-q']);
  step(`installing ${name}`, manager, [...args, name]);
}

function isOnPath(program) {
  const names = process.platform === 'win32' ? [`${program}.cmd`, `${program}.exe`] : [program];
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  return folders.some(folder => names.some(name => existsSync(join(folder, name))));
}

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function fail(message) {
  process.stderr.write(`k8ts: ${message}\n`);
  process.exit(1);
}

function hasLibrary(name) {
  const multiarch = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch] ?? '';
  const folders = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', `/lib/${multiarch}`, `/usr/lib/${multiarch}`];
  return folders.some(folder => existsSync(join(folder, name)));
}

function confirmed(question) {
  process.stderr.write(question);
  const answer = Buffer.alloc(64);
  const length = readSync(0, answer);
  // Nothing at all is the end of the input, not a yes.
  return length > 0 && /^(|y|yes)$/i.test(answer.toString('utf8', 0, length).trim());
}

/** One file of many modules, so that processes start faster. Without it the source runs just as well. */
export function makeBundle() {
  if (currentBundle()) return;
  if (runNode('tools/bundle.ts', []) !== 0) process.stderr.write('k8ts: running the source without a bundle\n');
}

/** Runs a script of the project with Node 26 on this terminal; its exit code. */
export function runNode(script, args) {
  let binary;
  try {
    binary = nodeBinary();
  } catch (error) {
    fail(error.message);
  }
  const { status, signal } = spawnSync(binary, [resolve(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: nodeEnvironment(),
  });
  if (signal) process.kill(process.pid, signal);
  return status ?? 1;
}

/** Why real containers are out of the question here; undefined when they are not. */
export function noContainersBecause() {
  if (process.platform !== 'linux') return `this is ${process.platform}, and containers need Linux`;
  if (process.getuid() !== 0) return 'this is not root, and network namespaces and containers need root';
  return undefined;
}
