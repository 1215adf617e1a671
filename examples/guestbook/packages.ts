// Debian packages, unpacked: what the guestbook's images are made of. Fetched with apt-get as this machine is set up.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const cache = resolve(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'k8ts-guestbook');

/** Files of the packages, from the cache where they are there. Rejects when apt-get has not got one. */
export async function fetchPackages(names: readonly string[]): Promise<string[]> {
  mkdirSync(cache, { recursive: true });
  const find = () => {
    const files = readdirSync(cache).sort();
    return names.map(name => files.findLast(f => f.startsWith(`${name}_`) && f.endsWith('.deb')));
  };
  const missing = find().flatMap((file, i) => (file ? [] : [names[i]!]));
  if (missing.length > 0) {
    const download = () => execute('apt-get', ['download', '-q', ...missing], { cwd: cache });
    // Package lists may be absent or stale.
    await download()
      .catch(() => execute('apt-get', ['-q', 'update']).then(download))
      .catch(error => {
        throw new Error(`fetch ${missing.join(', ')}: ${error.stderr ?? error}`);
      });
  }
  return find().map(file => join(cache, file!));
}

/** Makes the directory and unpacks them into it, without manuals and the like. */
export async function unpackPackages(names: readonly string[], directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const leaveOut = ['doc', 'man', 'locale', 'lintian', 'bug', 'info', 'vim', 'apport', 'python3/debpython'];
  const excluded = leaveOut.map(part => `--exclude=./usr/share/${part}`);
  for (const file of await fetchPackages(names)) {
    const unpack = spawn('dpkg-deb', ['--fsys-tarfile', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const tar = ['-x', '-C', directory, '--no-same-owner', '--keep-directory-symlink', ...excluded];
    const write = spawn('tar', tar, { stdio: [unpack.stdout, 'inherit', 'inherit'] });
    for (const child of [unpack, write]) await ended(child, file);
  }
}

/** All of a directory as one reproducible layer. */
export async function layerOf(directory: string, file: string): Promise<void> {
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await execute('tar', ['-C', directory, ...same, '-cf', file, '.']);
  rmSync(directory, { recursive: true });
}

function ended(child: ReturnType<typeof spawn>, what: string): Promise<void> {
  return new Promise((done, reject) => {
    const check = (code: number | null) => (code === 0 ? done() : reject(new Error(`unpack ${what}: exit ${code}`)));
    if (child.exitCode !== null) check(child.exitCode);
    child.once('error', reject);
    child.once('exit', check);
  });
}
