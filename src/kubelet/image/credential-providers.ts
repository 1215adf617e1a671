// Asks plugins (programs) for credentials of registries, and keeps what they answer for as long as they say.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import {
  answerOf,
  type CredentialProvider,
  cacheKey,
  cacheKeys,
  isAsked,
  requestOf,
} from '../kernel/credential-provider.ts';
import {
  credentialsFor,
  type Keyring,
  parseImageName,
  qualifiedRepository,
  type RegistryCredential,
} from '../kernel/image-name.ts';

/** Runs a program to its end; what it wrote. Rejects when it fails or the signal aborts. */
export type RunPlugin = (
  file: string,
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly input: string; readonly signal: AbortSignal },
) => Promise<string>;

export interface CredentialProvidersOptions {
  readonly providers: readonly CredentialProvider[];
  /** Of their programs. */
  readonly directory: string;
  /** Default: as a process of its own, with this one's environment and `env`. */
  readonly run?: RunPlugin;
  readonly clock: Clock;
  readonly log: Log;
}

interface Kept {
  readonly keyring: Keyring;
  readonly untilMs: number;
}

const timeoutMs = 60_000;
const nothing: Keyring = { entries: [] };

export class CredentialProviders {
  readonly #o: CredentialProvidersOptions;
  /** By provider and cacheKey. */
  readonly #kept = new Map<string, Kept>();
  /** By provider and image. */
  readonly #asking = new Map<string, Promise<Keyring>>();

  constructor(options: CredentialProvidersOptions) {
    this.#o = options;
  }

  /** For an image, in the order to try them. Never rejects: without an answer there are none. */
  async credentials(image: string): Promise<readonly RegistryCredential[]> {
    const parsed = parseImageName(image);
    if ('error' in parsed) return [];
    const repository = qualifiedRepository(parsed.repository);
    const asked = this.#o.providers.filter(p => isAsked(p, repository));
    return credentialsFor(image, await Promise.all(asked.map(p => this.#keyring(p, repository))));
  }

  async #keyring(provider: CredentialProvider, repository: string): Promise<Keyring> {
    const kept = this.#known(provider, repository);
    if (kept) return kept;
    const key = `${provider.name} ${repository}`;
    const asking = this.#asking.getOrInsertComputed(key, () =>
      this.#ask(provider, repository).finally(() => this.#asking.delete(key)),
    );
    return asking.catch(error => {
      this.#o.log.error('asking a credential provider failed', { provider: provider.name, image: repository, error });
      return nothing;
    });
  }

  #known({ name }: CredentialProvider, repository: string): Keyring | undefined {
    const now = this.#o.clock.now();
    for (const [key, { untilMs }] of this.#kept) if (untilMs <= now) this.#kept.delete(key);
    const keys = cacheKeys(repository).map(key => `${name} ${key}`);
    return keys.map(key => this.#kept.get(key)).find(kept => kept !== undefined)?.keyring;
  }

  async #ask(provider: CredentialProvider, repository: string): Promise<Keyring> {
    const { clock, directory, run = runPlugin } = this.#o;
    const limit = new AbortController();
    const timer = clock.after(timeoutMs, () => limit.abort(new Error(`no answer in ${timeoutMs / 1000} s`)));
    const env = Object.fromEntries(provider.env.map(e => [e.name, e.value]));
    const input = requestOf(provider, repository);
    const file = join(directory, provider.name);
    const text = await run(file, provider.args, { env, input, signal: limit.signal }).finally(() => timer.cancel());
    const { keyring, cacheKeyType, cacheMs } = answerOf(provider, text);
    if (cacheMs > 0)
      this.#kept.set(`${provider.name} ${cacheKey(cacheKeyType, repository)}`, {
        keyring,
        untilMs: clock.now() + cacheMs,
      });
    return keyring;
  }
}

const maxBytes = 1 << 20;

const runPlugin: RunPlugin = (file, args, { env, input, signal }) =>
  new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: { ...process.env, ...env }, signal, stdio: ['pipe', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.length > maxBytes) child.kill();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-maxBytes);
    });
    child.on('error', error => reject(signal.aborted ? signal.reason : error));
    child.on('close', code => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`it ended with ${code}: ${stderr.trim()}`));
    });
    // A program that ends without reading what it is asked is no error of ours.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
