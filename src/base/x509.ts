// Certificates and keys as PEM. Time and serial numbers are passed in; keys always come from the system's own source.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type webcrypto,
  X509Certificate,
} from 'node:crypto';
import type * as Library from '@peculiar/x509';
import type { Random } from './random.ts';

export interface CertificateAndKey {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateSubject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

export type CertificateUsage = 'server' | 'client' | 'both';

/** What every new certificate needs from its maker. */
export interface CertificateMaking {
  readonly nowMs: number;
  readonly random: Random;
  readonly days: number;
}

export interface CaOptions extends CertificateMaking {
  readonly commonName: string;
  /** Signs with this key instead of a new one: renewal that keeps what was issued valid. */
  readonly keyPem?: string;
}

/** Instead of what follows from `usages` and `days`; the issuer's own end still counts. */
export interface ExactCertificate {
  /** Bits of RFC 5280's KeyUsage, digitalSignature being 1; 0: no such extension. */
  readonly keyUsages: number;
  /** Object identifiers; none: no such extension. */
  readonly extendedKeyUsages: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface CertificateOptions extends CertificateMaking {
  readonly subject: CertificateSubject;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly emailAddresses?: readonly string[];
  readonly uris?: readonly string[];
  readonly usages: CertificateUsage;
  readonly exact?: ExactCertificate;
}

export interface ParsedCertificate {
  readonly subject: { readonly commonName: string; readonly organizations: readonly string[] };
  readonly issuer: { readonly commonName: string; readonly organizations: readonly string[] };
  readonly dnsNames: readonly string[];
  /** Canonical text: IPv6 compressed and in small letters. */
  readonly ipAddresses: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  /** Object identifiers of the extended key usages. */
  readonly extendedKeyUsages: readonly string[];
  /** SHA-256 of the DER bytes, hexadecimal in small letters. */
  readonly fingerprint: string;
  readonly certificate: X509Certificate;
}

export interface ParsedCertificateRequest {
  readonly subject: { readonly commonName: string; readonly organizations: readonly string[] };
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
  readonly publicKeyPem: string;
}

const dayMs = 24 * 3600 * 1000;
// Clocks of a cluster differ a little; what was just issued must be valid for all of them.
const backdateMs = 5 * 60 * 1000;
const usageIds = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };
export const clientAuthUsage = usageIds.client;
export const serverAuthUsage = usageIds.server;
export const anyUsage = '2.5.29.37.0';

// Loading the library takes 80 ms; parsing does not need it, so a restart with certificates in place does without.
async function library(): Promise<typeof Library> {
  await import('./reflect-metadata.ts');
  return import('@peculiar/x509');
}

/** A new P-256 key: PEM blocks EC PRIVATE KEY and PUBLIC KEY. */
export function generateEcKey(): { keyPem: string; publicKeyPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { keyPem: pemOf(privateKey), publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string };
}

function pemOf(key: KeyObject): string {
  return key.export({ type: key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs8', format: 'pem' }) as string;
}

type Algorithm = { name: string; hash: string; namedCurve?: string };

function algorithmOf(key: KeyObject): Algorithm {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1')
    return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  if (key.asymmetricKeyType === 'ec' && curve === 'secp384r1')
    return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
  throw new Error(`use key: neither RSA nor P-256 nor P-384 (${key.asymmetricKeyType} ${curve ?? ''})`);
}

// The library's types are written against the browser's CryptoKey; Node's is the same thing under another name.
function cryptoKey(key: KeyObject): { key: Library.PublicKeyType & webcrypto.CryptoKey; algorithm: Algorithm } {
  const algorithm = algorithmOf(key);
  const made = key.toCryptoKey(algorithm as never, true, [key.type === 'private' ? 'sign' : 'verify']);
  return { key: made as never, algorithm };
}

/** Positive and 16 bytes long, as RFC 5280 asks for. */
function serialNumber(random: Random): string {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

// As an object, because the library reads quotes and a leading # in a plain string as syntax.
const nameValue = (text: string): Library.JsonAttributeObject =>
  /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text) ? { printableString: text } : { utf8String: text };

function nameOf(x: typeof Library, subject: CertificateSubject): Library.Name {
  const organizations = (subject.organizations ?? []).map(nameValue);
  return new x.Name([...(organizations.length ? [{ O: organizations }] : []), { CN: [nameValue(subject.commonName)] }]);
}

interface AlternativeNames {
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly emailAddresses?: readonly string[];
  readonly uris?: readonly string[];
}

function alternativeNames(x: typeof Library, options: AlternativeNames) {
  const names = [
    ...(options.dnsNames ?? []).map(value => ({ type: 'dns' as const, value })),
    ...(options.ipAddresses ?? []).map(value => ({ type: 'ip' as const, value })),
    ...(options.emailAddresses ?? []).map(value => ({ type: 'email' as const, value })),
    ...(options.uris ?? []).map(value => ({ type: 'url' as const, value })),
  ];
  return names.length ? [new x.SubjectAlternativeNameExtension(names)] : [];
}

const validity = (o: CertificateMaking) => ({
  notBefore: new Date(o.nowMs - backdateMs),
  notAfter: new Date(o.nowMs + o.days * dayMs),
});

/** A self-signed certificate authority. */
export async function createCa(options: CaOptions): Promise<CertificateAndKey> {
  const x = await library();
  const keyPem = options.keyPem ?? generateEcKey().keyPem;
  const privateKey = createPrivateKey(keyPem);
  const signing = cryptoKey(privateKey);
  const subject = cryptoKey(createPublicKey(privateKey));
  const name = nameOf(x, { commonName: options.commonName });
  const certificate = await x.X509CertificateGenerator.create({
    serialNumber: serialNumber(options.random),
    subject: name,
    issuer: name,
    ...validity(options),
    signingAlgorithm: signing.algorithm as never,
    publicKey: subject.key,
    signingKey: signing.key as never,
    extensions: [
      new x.KeyUsagesExtension(
        x.KeyUsageFlags.digitalSignature | x.KeyUsageFlags.keyEncipherment | x.KeyUsageFlags.keyCertSign,
        true,
      ),
      new x.BasicConstraintsExtension(true, undefined, true),
      await x.SubjectKeyIdentifierExtension.create(subject.key),
      ...alternativeNames(x, { dnsNames: [options.commonName] }),
    ],
  });
  return { certificatePem: `${certificate.toString('pem')}\n`, keyPem };
}

/** Signs a certificate for a key somebody else holds. Never a CA; ends no later than its issuer. */
export async function signCertificate(
  ca: CertificateAndKey,
  publicKeyPem: string,
  options: CertificateOptions,
): Promise<string> {
  const x = await library();
  const issuer = new x.X509Certificate(ca.certificatePem);
  const signing = cryptoKey(createPrivateKey(ca.keyPem));
  const { key: publicKey } = cryptoKey(createPublicKey(publicKeyPem));
  const { exact } = options;
  const { notBefore, notAfter } = exact
    ? { notBefore: new Date(exact.notBeforeMs), notAfter: new Date(exact.notAfterMs) }
    : validity(options);
  const usages = options.usages === 'both' ? [usageIds.server, usageIds.client] : [usageIds[options.usages]];
  const keyUsages = exact ? exact.keyUsages : x.KeyUsageFlags.digitalSignature | x.KeyUsageFlags.keyEncipherment;
  const extended = exact ? exact.extendedKeyUsages : usages;
  const certificate = await x.X509CertificateGenerator.create({
    serialNumber: serialNumber(options.random),
    subject: nameOf(x, options.subject),
    issuer: issuer.subjectName,
    notBefore: new Date(Math.max(+notBefore, +issuer.notBefore)),
    notAfter: new Date(Math.min(+notAfter, +issuer.notAfter)),
    signingAlgorithm: signing.algorithm as never,
    publicKey,
    signingKey: signing.key as never,
    extensions: [
      ...(keyUsages ? [new x.KeyUsagesExtension(keyUsages, true)] : []),
      ...(extended.length ? [new x.ExtendedKeyUsageExtension([...extended], false)] : []),
      new x.BasicConstraintsExtension(false, undefined, true),
      await x.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export()),
      ...alternativeNames(x, options),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** A certificate with a key; the key is new unless given. */
export async function issueCertificate(
  ca: CertificateAndKey,
  options: CertificateOptions & { readonly keyPem?: string },
): Promise<CertificateAndKey> {
  const keyPem = options.keyPem ?? generateEcKey().keyPem;
  return { certificatePem: await signCertificate(ca, publicKeyOf(keyPem), options), keyPem };
}

/** The public half of a private key as a PUBLIC KEY block. Throws when the text is no key. */
export function publicKeyOf(keyPem: string): string {
  return createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'pem' }) as string;
}

/** True when the key belongs to the certificate. Throws when either is damaged. */
export function isKeyOf(certificatePem: string, keyPem: string): boolean {
  // As text: OpenSSL's comparison of unlike keys leaves an error behind that the next call throws (Node 26.10).
  const certified = new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'pem' });
  return certified === publicKeyOf(keyPem);
}

/** True when the authority's key signed the certificate. Does not look at validity. */
export function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Reads the first certificate of a PEM text. Throws when it is damaged. */
export function parseCertificate(pem: string | X509Certificate): ParsedCertificate {
  const certificate = typeof pem === 'string' ? new X509Certificate(pem) : pem;
  const legacy = certificate.toLegacyObject() as unknown as { subject?: Names; issuer?: Names };
  const names = parseAlternativeNames(certificate.subjectAltName);
  return {
    subject: subjectOf(legacy.subject),
    issuer: subjectOf(legacy.issuer),
    dnsNames: names.filter(n => n.type === 'DNS').map(n => n.value),
    ipAddresses: names.filter(n => n.type === 'IP Address').map(n => canonicalIp(n.value)),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    isCa: certificate.ca,
    extendedKeyUsages: certificate.keyUsage ?? [],
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    certificate,
  };
}

/** Every certificate of a bundle. */
export function parseCertificates(pem: string): ParsedCertificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map(block => parseCertificate(block));
}

type Names = Record<string, string | string[] | undefined>;

function subjectOf(names: Names | undefined): { commonName: string; organizations: readonly string[] } {
  const list = (v: string | string[] | undefined) => (v === undefined ? [] : Array.isArray(v) ? v : [v]);
  return { commonName: list(names?.CN).at(-1) ?? '', organizations: list(names?.O) };
}

// `DNS:a, IP Address:1.2.3.4`; a value with odd characters stands as a JSON string.
function parseAlternativeNames(text: string | undefined): { type: string; value: string }[] {
  const out: { type: string; value: string }[] = [];
  for (const [, type, quoted, plain] of (text ?? '').matchAll(/([^:,]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g)) {
    out.push({ type: type!, value: quoted ? (JSON.parse(quoted) as string) : plain! });
  }
  return out;
}

/** IPv4 as it stands; IPv6 compressed as RFC 5952 asks. */
export function canonicalIp(text: string): string {
  return text.includes(':') ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text;
}

/** A PKCS#10 request (PEM) for a key one holds. */
export async function createCertificateRequest(
  keyPem: string,
  subject: CertificateSubject,
  names: { dnsNames?: readonly string[]; ipAddresses?: readonly string[] } = {},
): Promise<string> {
  const x = await library();
  const privateKey = createPrivateKey(keyPem);
  const signing = cryptoKey(privateKey);
  const request = await x.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(x, subject),
    keys: { privateKey: signing.key, publicKey: cryptoKey(createPublicKey(privateKey)).key } as never,
    signingAlgorithm: signing.algorithm as never,
    extensions: alternativeNames(x, names),
  });
  return `${request.toString('pem')}\n`;
}

/** Reads a PKCS#10 request and checks that its sender holds the key. Throws when it is damaged or wrongly signed. */
export async function parseCertificateRequest(pem: string): Promise<ParsedCertificateRequest> {
  const x = await library();
  const request = new x.Pkcs10CertificateRequest(pem);
  if (!(await request.verify())) throw new Error('verify certificate request: wrong signature');
  const names = request.extensions.find(e => e instanceof x.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
  const of = (type: string) => names.filter(n => n.type === type).map(n => n.value);
  return {
    subject: {
      commonName: request.subjectName.getField('CN').at(-1) ?? '',
      organizations: request.subjectName.getField('O'),
    },
    dnsNames: of('dns'),
    ipAddresses: of('ip').map(canonicalIp),
    emailAddresses: of('email'),
    uris: of('url'),
    publicKeyPem: `${request.publicKey.toString('pem')}\n`,
  };
}
