// What Go's own types make of objects, by the program in storage/: one JSON request a line.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { jsonText } from '../../src/base/json-text.ts';

/** Of an object: what Go writes. */
export interface GoForms {
  readonly json: Buffer;
  /** Empty where Go's YAML cannot write it. */
  readonly yaml: Buffer;
  /** In protobuf; empty for what has no such form. */
  readonly sent: Buffer;
  /** When it has been stored: JSON, and protobuf. */
  readonly stored: Buffer;
  readonly protobuf: Buffer;
  /** Why it has no forms. */
  readonly error?: string;
}

export interface OwnedWrite {
  /** Absent on create. */
  readonly live?: object | undefined;
  readonly body: object;
  readonly manager: string;
  readonly subresource: '' | 'status';
  readonly apply: boolean;
  readonly force: boolean;
}

export type Form = 'json' | 'yaml' | 'protobuf';

export class WireProcess {
  readonly #child: ChildProcess;
  readonly #waiting: ((answer: Record<string, unknown>) => void)[] = [];
  #stderr = '';

  constructor(program: string) {
    const child = spawn(program, ['wire'], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', line => this.#waiting.shift()?.(JSON.parse(line)));
    child.stderr!.on('data', chunk => {
      this.#stderr = (this.#stderr + chunk).slice(-10_000);
    });
    child.stdin!.on('error', () => {});
    child.on('close', () => {
      for (const answer of this.#waiting.splice(0)) answer({ error: `the program ended: ${this.#stderr}` });
    });
  }

  #ask(asked: object): Promise<Record<string, unknown>> {
    const answered = new Promise<Record<string, unknown>>(resolve => this.#waiting.push(resolve));
    this.#child.stdin!.write(`${JSON.stringify(asked)}\n`);
    return answered;
  }

  /** apiVersion and kind of all Go has types for. */
  async kinds(): Promise<readonly (readonly [apiVersion: string, kind: string])[]> {
    return (await this.#ask({ op: 'kinds' })).kinds as [string, string][];
  }

  /** The same object for the same seed, as who sends it in that form means it. */
  async make(apiVersion: string, kind: string, form: 'json' | 'protobuf', seed: number): Promise<GoForms> {
    return formsOf(await this.#ask({ op: 'make', apiVersion, kind, form, seed }));
  }

  /** What a body is. */
  async read(apiVersion: string, kind: string, form: Form, body: Uint8Array): Promise<GoForms> {
    return formsOf(await this.#ask({ op: 'read', apiVersion, kind, form, body: Buffer.from(body).toString('base64') }));
  }

  /** What a write comes to and who owns its fields then, by Kubernetes' library and the schema its clients apply with. */
  async own(apiVersion: string, kind: string, write: OwnedWrite): Promise<GoForms> {
    const { live, body, ...how } = write;
    const base64 = (value: object) => Buffer.from(jsonText(value)).toString('base64');
    return formsOf(
      await this.#ask({
        op: 'own',
        apiVersion,
        kind,
        ...how,
        body: base64(body),
        ...(live ? { live: base64(live) } : {}),
      }),
    );
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function formsOf(answer: Record<string, unknown>): GoForms {
  const bytes = (name: string) => Buffer.from((answer[name] as string | undefined) ?? '', 'base64');
  const forms = { json: bytes('json'), yaml: bytes('yaml'), sent: bytes('sent') };
  const error = answer.error as string | undefined;
  return { ...forms, stored: bytes('stored'), protobuf: bytes('protobuf'), ...(error === undefined ? {} : { error }) };
}
