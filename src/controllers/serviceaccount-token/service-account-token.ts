// serviceaccount-token-controller: fills Secrets of type service-account-token, and deletes those whose account is gone.
// Keys: `namespace/secret`, and `account:namespace/name`.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { cloneDeep, keyOf, parseKey } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Secret, ServiceAccount } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { accountNameOf, completed, isTokenSecret, legacyClaims, speaksFor } from './kernel/token-secret.ts';

export interface ServiceAccountTokenOptions {
  /** RSA or EC, PEM: the API server accepts what it signs. */
  readonly keyPem: string;
  /** PEM; verifies the API server. */
  readonly clusterCa: string;
}

const accountPrefix = 'account:';
/** JSON Web Signature's names for what a key signs with. */
const curveAlgorithms: Readonly<Record<string, readonly [algorithm: string, hash: string]>> = {
  prime256v1: ['ES256', 'sha256'],
  secp384r1: ['ES384', 'sha384'],
  secp521r1: ['ES512', 'sha512'],
};

function algorithmOf(key: KeyObject): readonly [algorithm: string, hash: string] {
  if (key.asymmetricKeyType === 'rsa') return ['RS256', 'sha256'];
  const known = curveAlgorithms[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (!known) throw new Error('use key for tokens: neither RSA nor P-256, P-384 or P-521');
  return known;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

export function serviceAccountTokenController(options: ServiceAccountTokenOptions): Controller {
  return {
    name: 'serviceaccount-token-controller',
    // No account of its own: it must be there before tokens of accounts are.
    serviceAccount: '',
    component: 'serviceaccount-token-controller',
    watches: [
      { resource: coreV1.secrets, keys: (s: Secret) => (isTokenSecret(s) ? [keyOf(s)] : []) },
      {
        resource: coreV1.serviceaccounts,
        keys: (a: ServiceAccount, old, _context, deleted) => (!old || deleted ? [accountPrefix + keyOf(a)] : []),
      },
    ],
    writes: ['secrets', 'serviceaccounts'],
    create: context => new TokenSecrets(context, options),
  };
}

class TokenSecrets {
  readonly #context: ControllerContext;
  readonly #ca: string;
  readonly #key: KeyObject;
  readonly #keyId: string;

  constructor(context: ControllerContext, { keyPem, clusterCa }: ServiceAccountTokenOptions) {
    this.#context = context;
    this.#ca = base64(clusterCa);
    this.#key = createPrivateKey(keyPem);
    const der = createPublicKey(this.#key).export({ type: 'spki', format: 'der' });
    this.#keyId = createHash('sha256').update(der).digest('base64url');
  }

  async reconcile(key: string): Promise<void> {
    const { lister, enqueue } = this.#context;
    if (!key.startsWith(accountPrefix)) return this.#reconcileSecret(key);
    const { namespace, name } = parseKey(key.slice(accountPrefix.length));
    for (const secret of lister(coreV1.secrets).list(namespace))
      if (isTokenSecret(secret) && accountNameOf(secret) === name) enqueue(keyOf(secret));
  }

  async #reconcileSecret(key: string): Promise<void> {
    const { client, lister } = this.#context;
    const listed = lister(coreV1.secrets).get(key);
    const at = parseKey(key);
    if (!listed) return this.#dropReferences(at.namespace!, at.name);
    try {
      const account = await this.#account(listed);
      if (!account) {
        const { uid, resourceVersion } = listed.metadata;
        await client.delete(coreV1.secrets, at, { preconditions: { uid: uid!, resourceVersion: resourceVersion! } });
        return;
      }
      if (!this.#completed(listed, account)) return;
      const live = await client.get(coreV1.secrets, at);
      const next = live.metadata.uid === listed.metadata.uid ? this.#completed(live, account) : undefined;
      if (next) await client.update<Secret>(coreV1.secrets, cloneDeep(next));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** As the server has it when it is not in sight here: a Secret must not go because an account is new. */
  async #account(secret: Secret): Promise<ServiceAccount | undefined> {
    const { client, lister } = this.#context;
    const at = { namespace: secret.metadata.namespace!, name: accountNameOf(secret) };
    if (!at.name) return undefined;
    const listed = lister(coreV1.serviceaccounts).get(keyOf({ metadata: at }));
    if (speaksFor(secret, listed)) return listed;
    try {
      const live = await client.get(coreV1.serviceaccounts, at);
      return speaksFor(secret, live) ? live : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #completed(secret: Secret, account: ServiceAccount): Secret | undefined {
    const namespace = base64(secret.metadata.namespace!);
    const token = () => base64(this.#sign(legacyClaims(account, secret)));
    return completed(secret, account, { ca: this.#ca, namespace, token });
  }

  #sign(claims: object): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [alg, hash] = algorithmOf(this.#key);
    const text = `${part({ alg, kid: this.#keyId })}.${part(claims)}`;
    const signature = sign(hash, Buffer.from(text), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  /** Accounts do not go on naming a Secret that is gone. */
  async #dropReferences(namespace: string, name: string): Promise<void> {
    const { client, lister } = this.#context;
    for (const account of lister(coreV1.serviceaccounts).list(namespace)) {
      if (!account.secrets?.some(s => s.name === name)) continue;
      const secrets = account.secrets.filter(s => s.name !== name);
      await client.update<ServiceAccount>(coreV1.serviceaccounts, cloneDeep({ ...account, secrets }));
    }
  }
}
