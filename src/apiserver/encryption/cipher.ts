// The ciphers of EncryptionConfiguration, in the layouts kube-apiserver writes.
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import type { Random } from '../../base/random.ts';
import type { Transformer } from './transformer.ts';

const nonceBytes = 12;
const tagBytes = 16;
const blockBytes = 16;
const boxNonceBytes = 24;
const infoBytes = 32;

const gcmName = (key: Uint8Array) => `aes-${key.length * 8}-gcm` as CipherGCMTypes;

function seal(key: Uint8Array, nonce: Uint8Array, value: Uint8Array, boundTo: string): Buffer {
  const cipher = createCipheriv(gcmName(key), key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(boundTo));
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, stored: Uint8Array, boundTo: string): Buffer {
  if (stored.length < nonceBytes + tagBytes) throw new Error('the stored data was shorter than the required size');
  const decipher = createDecipheriv(gcmName(key), key, stored.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(boundTo));
  decipher.setAuthTag(stored.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(stored.subarray(nonceBytes, -tagBytes)), decipher.final()]);
  } catch (error) {
    throw new Error('cipher: message authentication failed', { cause: error });
  }
}

/** Nonce of 12 random bytes, ciphertext, tag; bound to the key of the store. `key`: 16, 24 or 32 bytes. */
export function aesGcm(key: Uint8Array, random: Random): Transformer {
  return {
    toStorage: (value, boundTo) => seal(key, random.bytes(nonceBytes), value, boundTo),
    fromStorage: (stored, boundTo) => ({ value: open(key, stored, boundTo), stale: false }),
  };
}

/** Initialization vector of 16 random bytes, ciphertext padded to blocks. Not authenticated, bound to nothing. */
export function aesCbc(key: Uint8Array, random: Random): Transformer {
  const name = `aes-${key.length * 8}-cbc`;
  return {
    toStorage(value) {
      const iv = random.bytes(blockBytes);
      const cipher = createCipheriv(name, key, iv);
      return Buffer.concat([iv, cipher.update(value), cipher.final()]);
    },
    fromStorage(stored) {
      if (stored.length < blockBytes) throw new Error('the stored data was shorter than the required size');
      if (stored.length % blockBytes !== 0) throw new Error('the stored data is not a multiple of the block size');
      const decipher = createDecipheriv(name, key, stored.subarray(0, blockBytes));
      try {
        return { value: Buffer.concat([decipher.update(stored.subarray(blockBytes)), decipher.final()]), stale: false };
      } catch (error) {
        throw new Error('invalid padding on input', { cause: error });
      }
    },
  };
}

/** NaCl's secretbox: nonce of 24 random bytes, tag, ciphertext. `key`: 32 bytes. */
export function secretbox(key: Uint8Array, random: Random): Transformer {
  return {
    toStorage(value) {
      const nonce = random.bytes(boxNonceBytes);
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(value)]);
    },
    fromStorage(stored) {
      if (stored.length < boxNonceBytes + tagBytes)
        throw new Error('the stored data was shorter than the required size');
      try {
        const value = xsalsa20poly1305(key, stored.subarray(0, boxNonceBytes)).decrypt(stored.subarray(boxNonceBytes));
        return { value: Buffer.from(value.buffer, value.byteOffset, value.length), stale: false };
      } catch (error) {
        throw new Error('invalid padding on input', { cause: error });
      }
    },
  };
}

/**
 * As kube-apiserver encrypts with the seed of KMS v2: 32 random bytes of info, then what AES-256-GCM makes of the value
 * with a key of its own, derived from seed and info by the expanding half of HKDF-SHA-256.
 */
export function extendedNonceGcm(seed: Uint8Array, random: Random): Transformer {
  return {
    toStorage(value, boundTo) {
      const info = random.bytes(infoBytes);
      return Buffer.concat([info, seal(expand(seed, info), random.bytes(nonceBytes), value, boundTo)]);
    },
    fromStorage(stored, boundTo) {
      if (stored.length < infoBytes) throw new Error('the stored data was shorter than the required size');
      const info = stored.subarray(0, infoBytes);
      return { value: open(expand(seed, info), stored.subarray(infoBytes), boundTo), stale: false };
    },
  };
}

/** HKDF-Expand (RFC 5869) of one block: the seed is a strong key already. */
export function expand(seed: Uint8Array, info: Uint8Array): Buffer {
  return createHmac('sha256', seed).update(info).update(Buffer.of(1)).digest();
}
