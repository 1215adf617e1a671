// Asks plugins (programs) for credentials of registries, and keeps what they answer for as long as they say.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { coreV1 } from '../../api/refs.ts';
import type { Pod, ServiceAccount } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import {
  type AskingAccount,
  accountKey,
  answerOf,
  type CredentialProvider,
  cacheKey,
  cacheKeys,
  isAsked,
  type ProviderAnswer,
  requestOf,
  type TokenAttributes,
} from '../kernel/credential-provider.ts';
import { isStatic } from '../kernel/critical-pod.ts';
import {
  credentialsFor,
  type Keyring,
  parseImageName,
  qualifiedRepository,
  type SecretCoordinates,
  type SourcedCredential,
} from '../kernel/image-name.ts';
import type { TokenManager } from '../token-manager.ts';

/** Runs a program to its end; what it wrote. Rejects when it fails or the signal aborts. */
export type RunPlugin = (
  file: string,
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly input: string; readonly signal: AbortSignal },
) => Promise<string>;

export interface CredentialPlugins {
  readonly providers: readonly CredentialProvider[];
  /** Of their programs. */
  readonly directory: string;
  /** Default: as a process of its own, with this one's environment and `env`. */
  readonly run?: RunPlugin;
}

export interface CredentialProvidersOptions extends CredentialPlugins {
  readonly client: Client;
  readonly tokens: Pick<TokenManager, 'token'>;
  readonly clock: Clock;
  readonly log: Log;
  /** A plugin was asked. */
  onAsked?(name: string, seconds: number, failed: boolean): void;
}

interface Kept {
  readonly keyring: Keyring;
  readonly untilMs: number;
}

const timeoutMs = 60_000;
const nothing: Keyring = { entries: [] };

export class CredentialProviders {
  readonly #o: CredentialProvidersOptions;
  /** By provider, cacheKey and accountKey. */
  readonly #kept = new Map<string, Kept>();
  /** By provider, image and accountKey. */
  readonly #asking = new Map<string, Promise<Keyring>>();

  constructor(options: CredentialProvidersOptions) {
    this.#o = options;
  }

  /** For a pod's image, in the order to try them. Never rejects: without an answer there are none. */
  async credentials(image: string, pod: Pod): Promise<readonly SourcedCredential[]> {
    const repository = repositoryOf(image);
    const keyrings = this.#asked(repository).map(provider =>
      this.#keyring(provider, repository!, pod).catch(error => {
        this.#o.log.error('asking a credential provider failed', { provider: provider.name, image, error });
        return nothing;
      }),
    );
    return credentialsFor(image, await Promise.all(keyrings));
  }

  /** The pod's service account, where a plugin may give credentials for it. */
  async accountOf(image: string, pod: Pod): Promise<SecretCoordinates | undefined> {
    if (!this.#asked(repositoryOf(image)).some(p => p.tokens) || !hasAccount(pod)) return undefined;
    return this.#account(pod).then(coordinatesOf, error => {
      this.#o.log.warn('reading a service account failed', { pod: pod.metadata.name, error });
      return undefined;
    });
  }

  #asked(repository: string | undefined): readonly CredentialProvider[] {
    return repository === undefined ? [] : this.#o.providers.filter(p => isAsked(p, repository));
  }

  #account({ metadata, spec }: Pod): Promise<ServiceAccount> {
    const { namespace = '' } = metadata;
    return this.#o.client.get(coreV1.serviceaccounts, { namespace, name: spec.serviceAccountName || 'default' });
  }

  async #keyring(provider: CredentialProvider, repository: string, pod: Pod): Promise<Keyring> {
    const { tokens } = provider;
    if (tokens?.requireAccount && !hasAccount(pod)) return nothing;
    const account = tokens && hasAccount(pod) ? await this.#asker(tokens, pod) : undefined;
    const of = accountKey(provider, account);
    const kept = this.#known(provider, repository, of);
    if (kept) return kept;
    const key = `${provider.name} ${repository} ${of}`;
    return this.#asking.getOrInsertComputed(key, () =>
      this.#ask(provider, repository, account).finally(() => this.#asking.delete(key)),
    );
  }

  async #asker({ audience, requiredKeys, optionalKeys }: TokenAttributes, pod: Pod): Promise<AskingAccount> {
    const found = await this.#account(pod);
    const has = found.metadata.annotations ?? {};
    const missing = requiredKeys.filter(key => !Object.hasOwn(has, key));
    if (missing.length) throw new Error(`the service account lacks the annotations ${missing.join(', ')}`);
    const told = [...requiredKeys, ...optionalKeys].sort().filter(key => Object.hasOwn(has, key));
    const { token } = await this.#o.tokens.token(pod, { audience, path: '' });
    return {
      coordinates: coordinatesOf(found),
      token,
      annotations: Object.fromEntries(told.map(key => [key, has[key]!])),
    };
  }

  #known({ name }: CredentialProvider, repository: string, account: string): Keyring | undefined {
    const now = this.#o.clock.now();
    for (const [key, { untilMs }] of this.#kept) if (untilMs <= now) this.#kept.delete(key);
    const keys = cacheKeys(repository).map(key => `${name} ${key} ${account}`);
    return keys.map(key => this.#kept.get(key)).find(kept => kept !== undefined)?.keyring;
  }

  async #ask(provider: CredentialProvider, repository: string, account: AskingAccount | undefined): Promise<Keyring> {
    const { clock, directory, run = runPlugin } = this.#o;
    const limit = new AbortController();
    const timer = clock.after(timeoutMs, () => limit.abort(new Error(`no answer in ${timeoutMs / 1000} s`)));
    const env = Object.fromEntries(provider.env.map(e => [e.name, e.value]));
    const input = requestOf(provider, repository, account);
    const file = join(directory, provider.name);
    const fromMs = clock.monotonic();
    const tell = (failed: boolean) => this.#o.onAsked?.(provider.name, (clock.monotonic() - fromMs) / 1000, failed);
    let answer: ProviderAnswer;
    try {
      answer = answerOf(provider, await run(file, provider.args, { env, input, signal: limit.signal }));
      tell(false);
    } catch (error) {
      tell(true);
      throw error;
    } finally {
      timer.cancel();
    }
    const keyring = { ...answer.keyring, ...(account ? { account: account.coordinates } : {}) };
    if (answer.cacheMs > 0) {
      const key = `${provider.name} ${cacheKey(answer.cacheKeyType, repository)} ${accountKey(provider, account)}`;
      this.#kept.set(key, { keyring, untilMs: clock.now() + answer.cacheMs });
    }
    return keyring;
  }
}

/** With its registry, without tag and digest. */
function repositoryOf(image: string): string | undefined {
  const parsed = parseImageName(image);
  return 'error' in parsed ? undefined : qualifiedRepository(parsed.repository);
}

/** Static pods have none. */
const hasAccount = (pod: Pod): boolean => !isStatic(pod);

const coordinatesOf = ({ metadata: { uid = '', namespace = '', name = '' } }: ServiceAccount): SecretCoordinates => ({
  uid,
  namespace,
  name,
});

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
