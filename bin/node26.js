#!/usr/bin/env node
// Runs a script with the Node 26 that the npm package `node` brings. Works from Node 20 on:
//   node bin/node26.js script.ts [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, constants as osConstants, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export const root = resolve(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '..');
const wantedMajor = 26;

/** Path of the Node 26 binary; runs the package's install script when npm did not (`ignore-scripts`). */
export function nodeBinary() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= wantedMajor) return process.execPath;
  let folder;
  try {
    folder = dirname(createRequire(join(root, 'package.json')).resolve('node/package.json'));
  } catch {
    throw new Error(`the npm package "node" is not installed: run npm ci in ${root}`);
  }
  const binary = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(binary)) {
    process.stderr.write('k8ts: fetching Node 26 (its npm install script has not run)\n');
    const { status } = spawnSync(process.execPath, ['installArchSpecificPackage'], {
      cwd: folder,
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0 || !existsSync(binary))
      throw new Error(`installing Node 26 failed: run npm rebuild node in ${root} and see what it says`);
  }
  return binary;
}

/** Where compiled code is kept: in the project, or in the user's cache when the project is read-only. */
export function compileCache() {
  const own = join(root, '.cache', 'compile');
  try {
    mkdirSync(own, { recursive: true });
    accessSync(own, constants.W_OK);
    return own;
  } catch {
    const base = process.env.XDG_CACHE_HOME || (homedir() ? join(homedir(), '.cache') : tmpdir());
    return join(base, 'k8ts', 'compile');
  }
}

/** Environment for a child that runs with the binary of `nodeBinary`. */
export function nodeEnvironment() {
  return { ...frugalMalloc, NODE_COMPILE_CACHE: compileCache(), ...process.env };
}

// glibc keeps an arena for each thread and rarely gives anything back: a third of a control plane's memory.
const frugalMalloc = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
  MALLOC_MMAP_THRESHOLD_: '131072',
};

/**
 * Becomes `script`: keeps standard streams, signals and the exit code. Replaces this process where Node can (22.15 on),
 * else stays as a parent that passes everything on.
 */
export function become(script, args) {
  const binary = nodeBinary();
  const argv = [script, ...args];
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.execve(binary, [binary, ...argv], nodeEnvironment());
  }
  const child = spawn(binary, argv, { stdio: 'inherit', env: nodeEnvironment() });
  // A terminal sends these to the whole group: passing them on would deliver them twice.
  const terminal = [0, 1, 2].some(fd => process[['stdin', 'stdout', 'stderr'][fd]].isTTY);
  const fromTerminal = new Set(['SIGINT', 'SIGQUIT', 'SIGTSTP']);
  const handlers = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'].map(name => {
    const handler = () => {
      if (!(terminal && fromTerminal.has(name))) child.kill(name);
    };
    process.on(name, handler);
    return [name, handler];
  });
  child.on('error', error => {
    process.stderr.write(`k8ts: starting ${binary}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    for (const [name, handler] of handlers) process.off(name, handler);
    if (!signal) process.exit(code ?? 1);
    process.kill(process.pid, signal);
    // Only reached for a signal that does not end a process by itself.
    process.exitCode = 128 + (osConstants.signals[signal] ?? 0);
  });
}

const isMain = process.argv[1] && pathToFileURL(realpathSync(process.argv[1])).href === import.meta.url;
if (isMain) {
  const [script, ...args] = process.argv.slice(2);
  if (!script) {
    process.stderr.write('usage: node bin/node26.js SCRIPT [ARGUMENTS]\n');
    process.exit(2);
  }
  try {
    become(script, args);
  } catch (error) {
    process.stderr.write(`k8ts: ${error.message}\n`);
    process.exit(1);
  }
}
