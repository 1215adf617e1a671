// The program in storage/ beside the tests: kube-apiserver's own storage layer on an etcd, one request a call.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseExactJson } from '../../src/base/whole-number.ts';
import { kubeStorage } from '../clients/tool.ts';
import type { StoredKind } from './stored-kinds.ts';

export type Json = any;

interface Answer {
  readonly id: number;
  readonly error?: string;
  readonly object?: Json;
  readonly items?: Json[];
  readonly resourceVersion?: string;
  readonly event?: string;
}

interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface SeenEvent {
  readonly type: string;
  readonly object: Json;
}

/** What one change by `update` and `count` goes to. */
export const annotation = 'k8ts.dev/go';

/** Where the program is, or why this machine cannot have it. */
export async function storageProgram(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const tool = await kubeStorage();
  return 'missing' in tool ? tool : { path: tool.command[0] };
}

/** Methods reject with the message of kube-apiserver's storage. */
export class StorageProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #watches = new Map<number, SeenEvent[]>();
  #next = 1;
  #stderr = '';

  constructor(program: string, args: readonly string[]) {
    const child = spawn(program, ['store', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', line => this.#take(parseExactJson(line) as Answer));
    child.stderr!.on('data', chunk => {
      this.#stderr = (this.#stderr + chunk).slice(-10_000);
    });
    child.stdin!.on('error', () => {});
    child.on('close', () => {
      for (const [id, resolve] of this.#waiting) resolve({ id, error: `the program ended: ${this.#stderr}` });
    });
  }

  #take(answer: Answer): void {
    const { id, event } = answer;
    if (event !== undefined) this.#watches.get(id)?.push({ type: event, object: answer.object });
    else this.#waiting.get(id)?.(answer);
    if (event === undefined) this.#waiting.delete(id);
  }

  #send(op: string, kind: StoredKind, more: object): { id: number; answer: Promise<Answer> } {
    const id = this.#next++;
    const { prefix, apiVersion, kind: name, resource } = kind;
    const answer = new Promise<Answer>((resolve, reject) =>
      this.#waiting.set(id, a => (a.error === undefined ? resolve(a) : reject(new Error(`${op}: ${a.error}`)))),
    );
    this.#child.stdin!.write(`${JSON.stringify({ id, op, prefix, apiVersion, kind: name, resource, ...more })}\n`);
    return { id, answer };
  }

  /** `name`: behind the kind's prefix, `default/a`. `ttl` in seconds. */
  async create(kind: StoredKind, name: string, object: object, ttl = 0): Promise<Json> {
    return (await this.#send('create', kind, { name, object, ttl }).answer).object;
  }

  async get(kind: StoredKind, name: string): Promise<Json> {
    return (await this.#send('get', kind, { name }).answer).object;
  }

  async list(kind: StoredKind): Promise<{ items: Json[]; resourceVersion: string }> {
    const { items = [], resourceVersion = '' } = await this.#send('list', kind, { name: '' }).answer;
    return { items, resourceVersion };
  }

  /** Sets the annotation. */
  async update(kind: StoredKind, name: string, value: string, preconditions?: Preconditions): Promise<Json> {
    return (await this.#send('update', kind, { name, value, preconditions }).answer).object;
  }

  /** Counts the annotation up, one compare-and-write each. */
  async count(kind: StoredKind, name: string, times: number): Promise<Json> {
    return (await this.#send('count', kind, { name, times }).answer).object;
  }

  async delete(kind: StoredKind, name: string, preconditions?: Preconditions): Promise<Json> {
    return (await this.#send('delete', kind, { name, preconditions }).answer).object;
  }

  /** What happens behind `resourceVersion`, added to as it comes. */
  watch(kind: StoredKind, resourceVersion: string): readonly SeenEvent[] {
    const { id, answer } = this.#send('watch', kind, { name: '', resourceVersion });
    const seen: SeenEvent[] = [];
    this.#watches.set(id, seen);
    answer.catch(error => seen.push({ type: 'ERROR', object: String(error) }));
    return seen;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
