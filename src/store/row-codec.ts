import { crc32 } from 'node:zlib';
import type { DecidedWrite } from './rows.ts';
import { bytesOf } from './store.ts';

// crc of all that follows, type, key length, previous revision, expiry; then key and value.
const crcAt = 0;
const typeAt = 4;
const keyLengthAt = 6;
const previousAt = 8;
const expiryAt = 16;
const headerBytes = 24;

export interface Row {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly previousRevision: number;
  readonly expiresAtMs: number;
  /** A view into the row. */
  readonly value: Uint8Array;
}

export function encodeRow(write: DecidedWrite): Buffer {
  const keyBytes = Buffer.byteLength(write.key);
  const value = bytesOf(write.value);
  const row = Buffer.allocUnsafe(headerBytes + keyBytes + value.byteLength);
  row.writeUInt16LE(write.type === 'put' ? 1 : 2, typeAt);
  row.writeUInt16LE(keyBytes, keyLengthAt);
  row.writeDoubleLE(write.previousRevision, previousAt);
  row.writeDoubleLE(write.expiresAtMs, expiryAt);
  row.write(write.key, headerBytes);
  row.set(value, headerBytes + keyBytes);
  row.writeUInt32LE(crc32(row.subarray(typeAt)), crcAt);
  return row;
}

/** The row, or undefined when its bytes are not what was written. */
export function decodeRow(row: Buffer): Row | undefined {
  if (!isIntact(row)) return undefined;
  const valueAt = headerBytes + row.readUInt16LE(keyLengthAt);
  return {
    type: row.readUInt16LE(typeAt) === 1 ? 'put' : 'delete',
    key: row.toString('utf8', headerBytes, valueAt),
    previousRevision: row.readDoubleLE(previousAt),
    expiresAtMs: row.readDoubleLE(expiryAt),
    value: row.subarray(valueAt),
  };
}

/** The row's value only, or undefined when its bytes are not what was written. */
export function decodeRowValue(row: Buffer): Uint8Array | undefined {
  return isIntact(row) ? row.subarray(headerBytes + row.readUInt16LE(keyLengthAt)) : undefined;
}

function isIntact(row: Buffer): boolean {
  return row.byteLength >= headerBytes && row.readUInt32LE(crcAt) === crc32(row.subarray(typeAt));
}
