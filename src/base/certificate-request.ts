// PKCS#10 requests in DER that say nothing but whose key they are, and the kinds of keys pods may have.
import {
  constants,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';

export const keyTypes = ['ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519', 'RSA3072', 'RSA4096'] as const;
export type KeyType = (typeof keyTypes)[number];

const curves: Readonly<Record<string, string>> = { ECDSAP256: 'P-256', ECDSAP384: 'P-384', ECDSAP521: 'P-521' };
const curveNames: Readonly<Record<string, KeyType>> = {
  prime256v1: 'ECDSAP256',
  secp384r1: 'ECDSAP384',
  secp521r1: 'ECDSAP521',
};
const rsaKey = promisify(generateKeyPair);

/** A new private key. RSA keys take their time on another thread. */
export async function generatePrivateKey(type: KeyType): Promise<KeyObject> {
  const namedCurve = curves[type];
  if (namedCurve) return generateKeyPairSync('ec', { namedCurve }).privateKey;
  if (type === 'ED25519') return generateKeyPairSync('ed25519').privateKey;
  return (await rsaKey('rsa', { modulusLength: type === 'RSA3072' ? 3072 : 4096 })).privateKey;
}

/** Undefined for a key of another kind or size. */
export function keyTypeOf(key: KeyObject): KeyType | undefined {
  const { namedCurve = '', modulusLength } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return 'ED25519';
    case 'ec':
      return curveNames[namedCurve];
    case 'rsa':
      return modulusLength === 3072 ? 'RSA3072' : modulusLength === 4096 ? 'RSA4096' : undefined;
    default:
      return undefined;
  }
}

interface SignatureAlgorithm {
  readonly digest: string | undefined;
  readonly key: string;
  /** The AlgorithmIdentifier in DER, hexadecimal. */
  readonly der: string;
}

const algorithms: readonly SignatureAlgorithm[] = [
  { digest: 'sha256', key: 'rsa', der: '300d06092a864886f70d01010b0500' },
  { digest: 'sha384', key: 'rsa', der: '300d06092a864886f70d01010c0500' },
  { digest: 'sha512', key: 'rsa', der: '300d06092a864886f70d01010d0500' },
  { digest: 'sha256', key: 'ec', der: '300a06082a8648ce3d040302' },
  { digest: 'sha384', key: 'ec', der: '300a06082a8648ce3d040303' },
  { digest: 'sha512', key: 'ec', der: '300a06082a8648ce3d040304' },
  { digest: undefined, key: 'ed25519', der: '300506032b6570' },
];
const digests: Readonly<Record<string, string>> = { ECDSAP384: 'sha384', ECDSAP521: 'sha512' };

function algorithmFor(key: KeyObject): SignatureAlgorithm {
  const type = keyTypeOf(key);
  const digest = type === 'ED25519' ? undefined : (digests[type ?? ''] ?? 'sha256');
  const found = type && algorithms.find(a => a.key === key.asymmetricKeyType && a.digest === digest);
  if (!found) throw new Error(`sign certificate request: unknown kind of key ${key.asymmetricKeyType}`);
  return found;
}

const sequenceTag = 0x30;
const bitStringTag = 0x03;
const integerZero = Uint8Array.of(0x02, 0x01, 0x00);
const emptySequence = Uint8Array.of(sequenceTag, 0x00);
const noAttributes = Uint8Array.of(0xa0, 0x00);

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts);
  const n = body.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...length), body]);
}

/** A request without a subject, signed with the key it is for. */
export function emptyCertificateRequest(privateKey: KeyObject): Uint8Array {
  const algorithm = algorithmFor(privateKey);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const info = der(sequenceTag, integerZero, emptySequence, publicKey, noAttributes);
  const signature = sign(algorithm.digest, info, privateKey);
  const identifier = Buffer.from(algorithm.der, 'hex');
  return der(sequenceTag, info, identifier, der(bitStringTag, Uint8Array.of(0), signature));
}

interface Element {
  readonly tag: number;
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

/** Elements that lie one after the other. Throws when they do not fill `bytes`. */
export function derElements(bytes: Uint8Array): Element[] {
  const out: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    let start = at + 2;
    let length = bytes[at + 1] ?? 0x80;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4) throw new Error('read DER: bad length');
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[start++] ?? 0);
    }
    const end = start + length;
    if (end > bytes.length) throw new Error('read DER: the data is cut off');
    out.push({ tag: bytes[at]!, whole: bytes.subarray(at, end), content: bytes.subarray(start, end) });
    at = end;
  }
  return out;
}

export interface ReadRequest {
  readonly publicKey: KeyObject;
  /** In DER, for comparing: comparing unlike KeyObjects spoils the next call (Node 26.10). */
  readonly spki: Uint8Array;
  /** Whether who made the request holds the key; undefined for a signature of a kind nobody here knows. */
  readonly isSigned: boolean | undefined;
}

/** Throws when the bytes are no PKCS#10 request. */
export function readCertificateRequest(bytes: Uint8Array): ReadRequest {
  const outer = derElements(bytes);
  const [info, algorithm, signature] = derElements(outer[0]?.content ?? bytes);
  if (outer.length !== 1 || outer[0]!.tag !== sequenceTag || signature?.tag !== bitStringTag || !info || !algorithm)
    throw new Error('read certificate request: not a PKCS#10 request');
  const spki = derElements(info.content)[2]?.whole;
  if (!spki) throw new Error('read certificate request: no public key');
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const isSigned = checkSignature(algorithm.whole, info.whole, publicKey, signature.content.subarray(1));
  return { publicKey, spki, isSigned };
}

/** Of requests others made. */
const oldAlgorithms: readonly SignatureAlgorithm[] = [
  { digest: 'sha1', key: 'rsa', der: '300d06092a864886f70d0101050500' },
  { digest: 'sha1', key: 'ec', der: '300906072a8648ce3d0401' },
];
const pss = '06092a864886f70d01010a';
const pssDigests = ['sha256', 'sha384', 'sha512'];
const pssDigestOf = (hex: string) =>
  pssDigests.find((_, i) => hex.startsWith(`a00f300d060960864801650304020${i + 1}0500`, hex.indexOf('a00f')));

function checkSignature(
  algorithm: Uint8Array,
  text: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean | undefined {
  const hex = Buffer.from(algorithm).toString('hex');
  const known = [...algorithms, ...oldAlgorithms].find(a => a.der === hex && a.key === key.asymmetricKeyType);
  if (known) return verify(known.digest, text, key, signature);
  const digest = key.asymmetricKeyType === 'rsa' && hex.includes(pss) ? pssDigestOf(hex) : undefined;
  if (!digest) return undefined;
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_AUTO: saltLength } = constants;
  return verify(digest, text, { key, padding, saltLength }, signature);
}

/** Whether a certificate in DER may sign others: CA in its basic constraints. Throws when it is damaged. */
export function isAuthority(certificate: Uint8Array): boolean {
  const [body] = derElements(derElements(certificate)[0]?.content ?? certificate);
  const extensions = derElements(body?.content ?? certificate).find(e => e.tag === 0xa3);
  if (!extensions) return false;
  for (const { content } of derElements(derElements(extensions.content)[0]!.content)) {
    const [id, ...rest] = derElements(content);
    if (Buffer.from(id!.content).toString('hex') !== '551d13') continue;
    const [flag] = derElements(derElements(rest.at(-1)!.content)[0]!.content);
    return flag?.tag === 0x01 && flag.content[0] !== 0;
  }
  return false;
}
