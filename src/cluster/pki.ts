// The control plane's certificates and keys, in files named as kubeadm names them, so that its users and tools find them.
import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { readIfThere, writeSecretFile } from '../base/pem-file.ts';
import type { Random } from '../base/random.ts';
import {
  type CertificateAndKey,
  type CertificateOptions,
  canonicalIp,
  createCa,
  generateEcKey,
  isKeyOf,
  isSignedBy,
  issueCertificate,
  type ParsedCertificate,
  parseCertificate,
  publicKeyOf,
} from '../base/x509.ts';

export interface PkiOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** DNS names of the API server besides `kubernetes`, `kubernetes.default`, … and `localhost`. */
  readonly serverNames: readonly string[];
  /** Addresses of the API server besides loopback. */
  readonly serverAddresses: readonly string[];
  /** The cluster IP of the service default/kubernetes. */
  readonly serviceClusterIp: string;
  /** Default: cluster.local. */
  readonly clusterDomain?: string;
}

export interface ServingNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface Pki {
  readonly directory: string;
  readonly ca: CertificateAndKey;
  readonly frontProxyCa: CertificateAndKey;
  /** CN front-proxy-client: what aggregated API servers see. */
  readonly frontProxyClient: CertificateAndKey;
  readonly apiserver: CertificateAndKey;
  /** What kubelets see when the API server calls them. */
  readonly apiserverKubeletClient: CertificateAndKey;
  /** CN kubernetes-admin, O system:masters. */
  readonly admin: CertificateAndKey;
  /** RSA 2048, PKCS#8 PEM: signs service account tokens with RS256. */
  readonly serviceAccountKeyPem: string;
  readonly serviceAccountPublicKeyPem: string;
  /** Names of the files this start wrote, `apiserver.crt`. */
  readonly written: readonly string[];
  issueClient(subject: { commonName: string; organizations?: readonly string[] }): Promise<CertificateAndKey>;
  /** CN system:node:NAME, O system:nodes. */
  issueNodeClient(nodeName: string): Promise<CertificateAndKey>;
  /** For the kubelet's own port; subject as for its client certificate. */
  issueNodeServing(nodeName: string, names: ServingNames): Promise<CertificateAndKey>;
}

const caDays = 3650;
const leafDays = 365;
// Below this share of its life a certificate is made anew: 73 days for a leaf, two years for a CA.
const renewBelow = 0.2;

/** Loads what is there, makes what is missing, renews what nears its end. Throws an error that names a damaged file. */
export async function ensurePki(directory: string, options: PkiOptions): Promise<Pki> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = new PkiFiles(directory, options);
  const serviceAccountKey = files.tokenKey('sa');
  serviceAccountKey.catch(() => {});
  const ca = await files.authority('ca', 'kubernetes');
  const frontProxyCa = await files.authority('front-proxy-ca', 'front-proxy-ca');
  const apiserver = await files.leaf('apiserver', 'ca', ca, {
    subject: { commonName: 'kube-apiserver' },
    usages: 'server',
    ...servingNames(options),
  });
  const apiserverKubeletClient = await files.leaf('apiserver-kubelet-client', 'ca', ca, {
    subject: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
    usages: 'client',
  });
  const frontProxyClient = await files.leaf('front-proxy-client', 'front-proxy-ca', frontProxyCa, {
    subject: { commonName: 'front-proxy-client' },
    usages: 'client',
  });
  const admin = await files.leaf('admin', 'ca', ca, {
    subject: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
    usages: 'client',
  });
  const { keyPem: serviceAccountKeyPem, publicKeyPem: serviceAccountPublicKeyPem } = await serviceAccountKey;
  return {
    directory,
    ca,
    frontProxyCa,
    frontProxyClient,
    apiserver,
    apiserverKubeletClient,
    admin,
    serviceAccountKeyPem,
    serviceAccountPublicKeyPem,
    written: files.written,
    ...issuers(ca, options),
  };
}

function issuers(ca: CertificateAndKey, options: PkiOptions) {
  const issue = (leaf: LeafOptions) =>
    issueCertificate(ca, { ...leaf, nowMs: options.clock.now(), random: options.random, days: leafDays });
  const node = (name: string) => ({ commonName: `system:node:${name}`, organizations: ['system:nodes'] });
  return {
    issueClient: (subject: { commonName: string; organizations?: readonly string[] }) =>
      issue({ subject, usages: 'client' }),
    issueNodeClient: (name: string) => issue({ subject: node(name), usages: 'client' }),
    issueNodeServing: (name: string, names: ServingNames) => issue({ subject: node(name), usages: 'server', ...names }),
  };
}

function servingNames(options: PkiOptions): ServingNames {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const domain = options.clusterDomain ?? 'cluster.local';
  return {
    dnsNames: unique([...service, `kubernetes.default.svc.${domain}`, 'localhost', ...options.serverNames]),
    ipAddresses: unique(
      [options.serviceClusterIp, '127.0.0.1', '::1', ...options.serverAddresses].filter(Boolean).map(canonicalIp),
    ),
  };
}

const unique = (list: readonly string[]) => [...new Set(list)];

type LeafOptions = Omit<CertificateOptions, 'nowMs' | 'random' | 'days'>;

class PkiFiles {
  readonly written: string[] = [];
  readonly #directory: string;
  readonly #options: PkiOptions;

  constructor(directory: string, options: PkiOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** A CA near its end is renewed with its own key, so that everything it issued stays valid. */
  async authority(name: string, commonName: string): Promise<CertificateAndKey> {
    const { certificatePem, keyPem } = await this.#readPair(name);
    if (certificatePem && !keyPem)
      throw new Error(
        `load "${this.#path(`${name}.key`)}": missing, but ${name}.crt is there and cannot sign without; put it back`,
      );
    if (certificatePem && keyPem) {
      const parsed = this.#checkPair(name, certificatePem, keyPem);
      if (!parsed.isCa) throw new Error(`load "${this.#path(`${name}.crt`)}": not a certificate authority`);
      if (!this.#nearEnd(parsed)) return { certificatePem, keyPem };
    }
    return this.#store(name, keyPem, key =>
      createCa({ ...this.#making(caDays), commonName, keyPem: key }).then(made => made.certificatePem),
    );
  }

  async leaf(name: string, caName: string, ca: CertificateAndKey, leaf: LeafOptions): Promise<CertificateAndKey> {
    const { certificatePem, keyPem } = await this.#readPair(name);
    if (certificatePem && keyPem) {
      const parsed = this.#checkPair(name, certificatePem, keyPem);
      if (!isSignedBy(parsed.certificate, parseCertificate(ca.certificatePem).certificate))
        throw new Error(
          `load "${this.#path(`${name}.crt`)}": not signed by ${caName}.crt; remove it to have it made anew`,
        );
      if (!this.#nearEnd(parsed) && covers(parsed, leaf)) return { certificatePem, keyPem };
    }
    return this.#store(name, keyPem, key =>
      issueCertificate(ca, { ...this.#making(leafDays), ...leaf, keyPem: key }).then(made => made.certificatePem),
    );
  }

  async tokenKey(name: string): Promise<{ keyPem: string; publicKeyPem: string }> {
    let keyPem = await readIfThere(this.#path(`${name}.key`));
    const publicPem = await readIfThere(this.#path(`${name}.pub`));
    if (!keyPem) {
      if (publicPem)
        throw new Error(
          `load "${this.#path(`${name}.key`)}": missing, but ${name}.pub is there and tokens need it; put it back, or remove ${name}.pub: tokens given so far then end`,
        );
      const made = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
      keyPem = made.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
      await this.#write(`${name}.key`, keyPem);
    }
    const publicKeyPem = this.#read(`${name}.key`, () => {
      const key = createPrivateKey(keyPem);
      if (key.asymmetricKeyType !== 'rsa') throw new Error(`an RSA key is needed, not ${key.asymmetricKeyType}`);
      return publicKeyOf(keyPem);
    });
    if (!publicPem) await this.#write(`${name}.pub`, publicKeyPem);
    else if (this.#read(`${name}.pub`, () => spkiOf(publicPem)) !== publicKeyPem)
      throw new Error(`load "${this.#path(`${name}.pub`)}": not the public half of ${name}.key`);
    return { keyPem, publicKeyPem };
  }

  async #readPair(name: string): Promise<{ certificatePem?: string; keyPem?: string }> {
    const [certificatePem, keyPem] = await Promise.all(
      [`${name}.crt`, `${name}.key`].map(file => readIfThere(this.#path(file))),
    );
    if (keyPem !== undefined) this.#read(`${name}.key`, () => createPrivateKey(keyPem));
    return { certificatePem, keyPem };
  }

  #checkPair(name: string, certificatePem: string, keyPem: string): ParsedCertificate {
    const parsed = this.#read(`${name}.crt`, () => parseCertificate(certificatePem));
    if (!isKeyOf(certificatePem, keyPem))
      throw new Error(`load "${this.#path(`${name}.crt`)}": does not belong to ${name}.key; put back the right one`);
    return parsed;
  }

  // The key is written first and kept at renewal: a crash in between leaves a pair that the next start completes.
  async #store(
    name: string,
    oldKeyPem: string | undefined,
    certify: (keyPem: string) => Promise<string>,
  ): Promise<CertificateAndKey> {
    const keyPem = oldKeyPem ?? generateEcKey().keyPem;
    const certificatePem = await certify(keyPem);
    if (!oldKeyPem) {
      // A certificate that lost its key would not fit the new one.
      await rm(this.#path(`${name}.crt`), { force: true });
      await this.#write(`${name}.key`, keyPem);
    }
    await this.#write(`${name}.crt`, certificatePem);
    return { certificatePem, keyPem };
  }

  #nearEnd(c: ParsedCertificate): boolean {
    return c.notAfterMs - this.#options.clock.now() < (c.notAfterMs - c.notBeforeMs) * renewBelow;
  }

  #making(days: number) {
    return { nowMs: this.#options.clock.now(), random: this.#options.random, days };
  }

  #read<T>(file: string, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      const what = messageOf(error).replace(/^error:.*/, 'it is damaged ($&)');
      throw new Error(`load "${this.#path(file)}": ${what}; put the right one back`, { cause: error });
    }
  }

  async #write(file: string, text: string): Promise<void> {
    await writeSecretFile(this.#path(file), text, this.#options.random);
    this.written.push(file);
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }
}

// Compared as text: KeyObject.equals on unlike keys leaves an OpenSSL error behind that the next call throws (Node 26).
function spkiOf(publicPem: string): string {
  return createPublicKey(publicPem).export({ type: 'spki', format: 'pem' }) as string;
}

/** An address or name added to the options is a reason to issue again; one taken away is not. */
function covers(parsed: ParsedCertificate, leaf: LeafOptions): boolean {
  return (
    (leaf.dnsNames ?? []).every(n => parsed.dnsNames.includes(n)) &&
    (leaf.ipAddresses ?? []).every(a => parsed.ipAddresses.includes(a))
  );
}
