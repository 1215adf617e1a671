// Puts a cluster into the user's kubeconfig and takes it out again, by kind's rule for which file that is. Comments and
// everything else in the file stay.
import { accessSync, constants, existsSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { type Document, isMap, isSeq, parseDocument, YAMLSeq } from 'yaml';
import { type Clock, systemClock } from '../base/clock.ts';
import {
  FileError,
  LockedError,
  lockFile,
  makeDirectory,
  readIfThere,
  removeDeadTemporaries,
  writeFileAtomic,
} from './host/file.ts';
import type { MergedInto } from './state.ts';

export const contextOf = (cluster: string): string => `k8ts-${cluster}`;

export interface KubeconfigCluster {
  readonly server: string;
  /** PEM. */
  readonly certificateAuthority: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
}

/** A kubeconfig of this one cluster, as text. */
export function kubeconfigText(context: string, cluster: KubeconfigCluster): string {
  const document = parseDocument('apiVersion: v1\nkind: Config\npreferences: {}\n');
  putEntries(document, context, cluster);
  return document.toString({ lineWidth: 0 });
}

/** Files to look in, in order; `$KUBECONFIG` or the default. */
export function kubeconfigFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  const named = (env.KUBECONFIG ?? '').split(delimiter).filter(Boolean);
  // The record outlives the directory that this command runs in.
  return named.length
    ? [...new Set(named.map(file => resolve(file)))]
    : [join(env.HOME || homedir(), '.kube', 'config')];
}

/** The file that new entries go to: the first that exists, else the last. */
export function kubeconfigTarget(env: NodeJS.ProcessEnv = process.env): string {
  const files = kubeconfigFiles(env);
  return files.find(f => existsSync(f)) ?? files.at(-1)!;
}

/** Where a merge will go and what it will make there; to be recorded before it happens. Throws when that cannot be. */
export function planMerge(env: NodeJS.ProcessEnv = process.env): MergedInto {
  const path = kubeconfigTarget(env);
  parse(readIfThere(path), path);
  checkWritable(path);
  return { path, madeFile: !existsSync(path), madeDirectory: !existsSync(dirname(path)) };
}

function checkWritable(path: string): void {
  let directory = dirname(existsSync(path) ? realpathSync(path) : path);
  while (!existsSync(directory)) directory = dirname(directory);
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new FileError('writing kubeconfig', path, error);
  }
}

/** Adds or replaces the context and makes it the current one. */
export async function mergeKubeconfig(
  context: string,
  cluster: KubeconfigCluster,
  env: NodeJS.ProcessEnv = process.env,
  clock: Clock = systemClock,
): Promise<MergedInto> {
  const planned = planMerge(env);
  makeDirectory(dirname(planned.path), 0o700);
  await edit(planned.path, clock, document => {
    putEntries(document, context, cluster);
    return true;
  });
  return planned;
}

/** Takes the context, its cluster and its user out of every file of the chain and of `made`. Absent: nothing happens. */
export async function removeFromKubeconfig(
  context: string,
  made?: MergedInto,
  env: NodeJS.ProcessEnv = process.env,
  clock: Clock = systemClock,
): Promise<void> {
  const files = new Set([...kubeconfigFiles(env), ...(made ? [made.path] : [])]);
  for (const path of files) {
    const ours = made?.path === path;
    const absent = !existsSync(path);
    // One that we meant to make may have got as far as its lock.
    if (absent && !(ours && existsSync(dirname(path)))) continue;
    let empty = absent;
    await edit(path, clock, document => {
      const changed = removeEntries(document, context);
      empty ||= ['clusters', 'users', 'contexts'].every(list => seqOf(document, list)?.items.length === 0);
      return changed;
    });
    if (!empty || !ours) continue;
    if (made.madeFile) rmSync(path, { force: true });
    if (!made.madeFile || !made.madeDirectory) continue;
    removeDeadTemporaries(path);
    removeIfEmpty(dirname(path));
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody else keeps something in there (kubectl its cache).
  }
}

/** Reads, changes and replaces the file under kubectl's own lock; `change` says whether there is anything to write. */
async function edit(path: string, clock: Clock, change: (document: Document.Parsed) => boolean): Promise<void> {
  const target = existsSync(path) ? realpathSync(path) : path;
  const release = await takeLock(`${target}.lock`, clock);
  try {
    const document = parse(readIfThere(target), path);
    if (change(document)) writeFileAtomic(target, document.toString({ lineWidth: 0 }));
  } finally {
    release();
  }
}

async function takeLock(path: string, clock: Clock): Promise<() => void> {
  const deadline = clock.monotonic() + 3000;
  for (;;) {
    try {
      return lockFile(path, 'k8ts');
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      if (clock.monotonic() > deadline)
        throw new Error(`writing the kubeconfig: ${error.message}; remove that file when no kubectl is running`);
      await clock.sleep(20);
    }
  }
}

function parse(text: string | undefined, path: string): Document.Parsed {
  const document = parseDocument(text?.trim() ? text : 'apiVersion: v1\nkind: Config\npreferences: {}\n');
  const fail = (why: string): never => {
    throw new Error(`reading kubeconfig ${path}: ${why}; mend it, or name another: KUBECONFIG=FILE`);
  };
  const error = document.errors[0];
  if (error) fail(error.message.split('\n')[0]!.replace(/:$/, ''));
  if (!isMap(document.contents)) fail('it is no kubeconfig (not a map)');
  for (const list of entryLists) {
    const value = document.get(list) ?? undefined;
    if (value !== undefined && !isSeq(value)) fail(`${list} is no list`);
  }
  return document;
}

const entryLists = ['clusters', 'contexts', 'users'];

/** On one machine packing and unpacking a list takes longer than sending it whole. */
export const compression = (server: string): { 'disable-compression'?: true } =>
  /^(127\.[\d.]+|localhost|\[::1\])$/.test(new URL(server).hostname) ? { 'disable-compression': true } : {};

function putEntries(document: Document.Parsed, context: string, cluster: KubeconfigCluster): void {
  const base64 = (pem: string) => Buffer.from(pem).toString('base64');
  const { server } = cluster;
  put(document, 'clusters', context, {
    cluster: {
      'certificate-authority-data': base64(cluster.certificateAuthority),
      ...compression(server),
      server,
    },
  });
  put(document, 'contexts', context, { context: { cluster: context, user: context } });
  put(document, 'users', context, {
    user: {
      'client-certificate-data': base64(cluster.clientCertificate),
      'client-key-data': base64(cluster.clientKey),
    },
  });
  document.set('current-context', context);
}

function seqOf(document: Document.Parsed, list: string): YAMLSeq | undefined {
  const value = document.get(list);
  return isSeq(value) ? value : undefined;
}

const nameOf = (item: unknown): unknown => (isMap(item) ? item.get('name') : undefined);

function put(document: Document.Parsed, list: string, name: string, value: object): void {
  let seq = seqOf(document, list);
  if (!seq) {
    seq = new YAMLSeq();
    document.set(list, seq);
  }
  // kubectl writes `clusters: []` and `null` for none; block style reads better once something is in.
  seq.flow = false;
  const node = document.createNode({ name, ...value });
  const index = seq.items.findIndex(item => nameOf(item) === name);
  if (index >= 0) seq.items[index] = node;
  else seq.items.push(node);
}

function removeEntries(document: Document.Parsed, context: string): boolean {
  let changed = false;
  for (const list of entryLists) {
    const seq = seqOf(document, list);
    const index = seq?.items.findIndex(item => nameOf(item) === context) ?? -1;
    if (!seq || index < 0) continue;
    seq.items.splice(index, 1);
    if (seq.items.length === 0) seq.flow = true;
    changed = true;
  }
  if (document.get('current-context') === context) {
    document.set('current-context', '');
    changed = true;
  }
  return changed;
}
