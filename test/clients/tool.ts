// Client programs of other languages, made ready: built or installed once into .cache, again when their sources change.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from './control-plane.ts';

const here = import.meta.dirname;
const cache = resolve(here, '../../.cache/clients');

/** A program to run, or why this machine cannot have it. */
export type Tool = { readonly command: readonly [string, ...string[]] } | { readonly missing: string };

/** What fetches or compiles for the first time on a machine takes minutes, a quarter of an hour where all is busy. */
const firstTime = { timeoutMs: 1_800_000 } as const;

const has = async (program: string, ...args: string[]): Promise<boolean> => (await run(program, args)).code === 0;

/** client-go: needs Go, and its modules from the Go proxy or the module cache. */
export const goClient = (): Promise<Tool> => goProgram('client-go', 'go');

/** An operator made with controller-runtime; needs the same. */
export const operator = (): Promise<Tool> => goProgram('controller-runtime', 'operator');

/** What kube-apiserver's modules do to etcd, and the servers made of them; needs the same. */
export const kubeStorage = (): Promise<Tool> => goProgram('kube-storage', '../interop/storage');

/** A driver of dynamic resources and a device plugin on Kubernetes' own libraries for them; needs the same. */
export const devicesProgram = (): Promise<Tool> => goProgram('devices', '../interop/devices');

async function goProgram(name: string, folder: string): Promise<Tool> {
  if (!(await has('go', 'version'))) return { missing: `Go is not installed, and ${name} needs it` };
  const source = join(here, folder);
  const fetched = await run('go', ['mod', 'download'], { cwd: source, ...firstTime });
  if (fetched.code !== 0) return { missing: `the modules of ${name} cannot be fetched: ${lastLine(fetched.stderr)}` };
  mkdirSync(cache, { recursive: true });
  const binary = join(cache, name);
  const built = await run('go', ['build', '-o', binary, '.'], { cwd: source, ...firstTime });
  if (built.code !== 0) throw new Error(`building the ${name} program: ${built.stderr}`);
  return { command: [binary] };
}

/** The Python client: needs Python with venv, and its packages from PyPI. */
export async function pythonClient(): Promise<Tool> {
  if (!(await has('python3', '-c', 'import venv, ensurepip')))
    return { missing: 'Python 3 with venv is not installed, and the Python client needs it' };
  const wanted = readFileSync(join(here, 'python', 'requirements.txt'));
  const home = join(cache, `python-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`);
  const complete = join(home, 'complete');
  const python = join(home, 'bin', 'python');
  if (!existsSync(complete)) {
    for (const old of existsSync(cache) ? readdirSync(cache) : [])
      if (old.startsWith('python-')) rmSync(join(cache, old), { recursive: true });
    const made = await run('python3', ['-m', 'venv', home]);
    if (made.code !== 0) throw new Error(`making a Python environment: ${made.stderr}`);
    const packages = ['-m', 'pip', 'install', '--quiet', '-r', join(here, 'python', 'requirements.txt')];
    const installed = await run(python, packages, firstTime);
    if (installed.code !== 0)
      return { missing: `the Python client cannot be installed from PyPI: ${lastLine(installed.stderr)}` };
    writeFileSync(complete, '');
  }
  return { command: [python, join(here, 'python', 'clients.py')] };
}

/** fabric8's Java client: needs Java 17 with its compiler, Maven, and the client's libraries from Maven's repository. */
export async function javaClient(): Promise<Tool> {
  if (!(await has('javac', '-version'))) return { missing: 'no JDK is installed, and the Java client needs it' };
  if (!(await has('mvn', '-v'))) return { missing: 'Maven is not installed, and the Java client needs it' };
  const source = join(here, 'java');
  const wanted = readFileSync(join(source, 'pom.xml'));
  const home = join(cache, `java-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`);
  const complete = join(home, 'complete');
  if (!existsSync(complete)) {
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${home}`, '-DincludeScope=runtime'];
    const fetched = await run('mvn', ['-B', '-q', ...goal], { cwd: source, ...firstTime });
    if (fetched.code !== 0)
      return {
        missing: `the libraries of the Java client cannot be fetched with Maven: ${firstError(fetched.stdout)}`,
      };
    writeFileSync(complete, '');
  }
  // One compiler thread and no late optimisation: it runs for seconds.
  const options = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
  return { command: ['java', ...options, '-cp', `${home}/*`, join(source, 'Clients.java')] };
}

const firstError = (text: string): string => text.split('\n').find(line => line.includes('[ERROR]')) ?? lastLine(text);

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
