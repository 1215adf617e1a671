// A store in one file that any machine and any kind of store can read, whatever page size or byte order it has.
//
//   k8ts-backup 1 LF
//   one line of JSON: BackupHeader LF
//   for each key, in order:  01, u16 bytes of key, u32 bytes of value, f64 revision, f64 expiry, key, value
//   at the end:              00, f64 number of keys, SHA-256 of all before
//
// Numbers are little-endian, keys UTF-8.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../base/assert.ts';
import { type CopiedEntry, type StoreCopy, StoreCopyError, type StoredForm } from './store-copy.ts';

export interface BackupHeader {
  readonly revision: number;
  readonly form: StoredForm;
  /** RFC 3339. */
  readonly made: string;
  /** Version of k8ts that made it. */
  readonly k8ts: string;
}

const name = 'k8ts-backup';
const version = 1;
const entryTag = 1;
const endTag = 0;
const fixedBytes = 23;
const endBytes = 9;
const digestBytes = 32;
const chunkBytes = 1 << 20;
const longestHeader = 4096;
const longestValue = 1 << 30;

/** Writes the file, on disk under its name only when complete; the number of keys. */
export async function writeBackup(
  file: string,
  copy: StoreCopy,
  about: { made: string; k8ts: string },
): Promise<{ keys: number; bytes: number }> {
  const partial = `${file}.partial`;
  try {
    const out = await open(partial, 'w', 0o600);
    let written: { keys: number; bytes: number };
    try {
      written = await writeAll(out, copy, about);
      await out.sync();
    } finally {
      await out.close();
    }
    await rename(partial, file);
    await syncDirectory(dirname(file));
    return written;
  } catch (error) {
    await rm(partial, { force: true });
    throw new StoreCopyError(`writing a backup to ${JSON.stringify(file)}: ${messageOf(error)}`, { cause: error });
  }
}

async function writeAll(out: FileHandle, copy: StoreCopy, about: { made: string; k8ts: string }) {
  const hash = createHash('sha256');
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let bytes = 0;
  const put = (part: Uint8Array) => {
    hash.update(part);
    pending.push(part);
    pendingBytes += part.byteLength;
  };
  const flush = async () => {
    const chunk = Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) at += (await out.write(chunk, at)).bytesWritten;
  };
  const header: BackupHeader = { revision: copy.revision, form: copy.form, ...about };
  put(Buffer.from(`${name} ${version}\n${JSON.stringify(header)}\n`));
  let keys = 0;
  for await (const entry of copy.entries()) {
    put(encodeHead(entry));
    put(entry.value);
    keys++;
    if (pendingBytes >= chunkBytes) await flush();
  }
  const end = Buffer.alloc(endBytes, endTag);
  end.writeDoubleLE(keys, 1);
  put(end);
  const digest = hash.digest();
  pending.push(digest);
  await flush();
  return { keys, bytes };
}

function encodeHead(entry: CopiedEntry): Buffer {
  const keyBytes = Buffer.byteLength(entry.key);
  const head = Buffer.allocUnsafe(fixedBytes + keyBytes);
  head.writeUInt8(entryTag, 0);
  head.writeUInt16LE(keyBytes, 1);
  head.writeUInt32LE(entry.value.byteLength, 3);
  head.writeDoubleLE(entry.revision, 7);
  head.writeDoubleLE(entry.expiresAtMs, 15);
  head.write(entry.key, fixedBytes);
  return head;
}

export interface Backup extends StoreCopy {
  readonly header: BackupHeader;
}

/**
 * Opens a backup. `entries` rejects with StoreCopyError after the last entry when the file is not what was written: what
 * was read until then is to be thrown away.
 */
export async function openBackup(file: string): Promise<Backup> {
  const say = (what: string, cause?: unknown) =>
    new StoreCopyError(`reading the backup ${JSON.stringify(file)}: ${what}`, { cause });
  const input = new Input(file, say);
  try {
    const first = await input.line(longestHeader);
    const [, found] = /^k8ts-backup (\d+)$/.exec(first ?? '') ?? [];
    if (found === undefined) throw say('it is not a backup made by k8ts store backup');
    if (Number(found) !== version)
      throw say(
        `its version is ${found}, this release reads ${version}; use the release that wrote it, or a newer one`,
      );
    const header = parseHeader(await input.line(longestHeader));
    if (!header) throw say('it is damaged: its header cannot be read; take another backup');
    return {
      header,
      revision: header.revision,
      form: header.form,
      entries: () => readEntries(input, header, say),
      close: async () => input.close(),
    };
  } catch (error) {
    input.close();
    throw error;
  }
}

/** Reads all of a backup; rejects with StoreCopyError when it is not what was written. The number of keys. */
export async function verifyBackup(file: string): Promise<number> {
  const backup = await openBackup(file);
  let keys = 0;
  for await (const _ of backup.entries()) keys++;
  return keys;
}

function parseHeader(line: string | undefined): BackupHeader | undefined {
  try {
    const header = JSON.parse(line ?? '') as BackupHeader;
    const known = Number.isSafeInteger(header.revision) && ['embedded', 'shared'].includes(header.form);
    return known ? header : undefined;
  } catch {
    return undefined;
  }
}

type Say = (what: string, cause?: unknown) => StoreCopyError;

async function* readEntries(input: Input, header: BackupHeader, say: Say): AsyncIterable<CopiedEntry> {
  const damaged = (what: string) => say(`it is damaged: ${what}; take another backup`);
  let keys = 0;
  let last = '';
  try {
    for (;;) {
      const tag = (await input.take(1))?.[0];
      if (tag === endTag) break;
      const fixed = tag === entryTag ? await input.take(fixedBytes - 1) : undefined;
      if (!fixed) throw damaged(tag === undefined ? 'it ends early' : `there is no entry where one must be`);
      const valueBytes = fixed.readUInt32LE(2);
      const revision = fixed.readDoubleLE(6);
      if (valueBytes > longestValue || !(revision > 0 && revision <= header.revision))
        throw damaged('an entry cannot be read');
      const bytes = await input.take(fixed.readUInt16LE(0) + valueBytes);
      if (!bytes) throw damaged('it ends early');
      const key = bytes.toString('utf8', 0, bytes.length - valueBytes);
      if (keys > 0 && Buffer.compare(Buffer.from(last), Buffer.from(key)) >= 0)
        throw damaged('its keys are not in order');
      last = key;
      keys++;
      yield { key, value: bytes.subarray(bytes.length - valueBytes), revision, expiresAtMs: fixed.readDoubleLE(14) };
    }
    const count = await input.take(endBytes - 1);
    const sum = input.digest();
    const digest = await input.take(digestBytes);
    if (!count || !digest) throw damaged('it ends early');
    if (count.readDoubleLE() !== keys || !sum.equals(digest)) throw damaged('its checksum is wrong');
    if (await input.take(1)) throw damaged('something follows its end');
  } finally {
    input.close();
  }
}

/** Bytes of a file, asked for piece by piece, hashed as they are taken. */
class Input {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #hash: Hash = createHash('sha256');
  readonly #close: () => void;
  readonly #say: Say;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: string, say: Say) {
    const stream = createReadStream(file, { highWaterMark: chunkBytes });
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.#close = () => stream.destroy();
    this.#say = say;
  }

  /** Undefined when there are not so many more. */
  async take(count: number): Promise<Buffer | undefined> {
    if (!(await this.#fill(() => this.#rest.length >= count, count))) return undefined;
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.#hash.update(taken);
    return taken;
  }

  async line(longest: number): Promise<string | undefined> {
    const ended = () => this.#rest.subarray(0, longest).includes(10);
    if (!(await this.#fill(() => ended() || this.#rest.length >= longest, 1)) || !ended()) return undefined;
    return (await this.take(this.#rest.indexOf(10) + 1))!.toString('utf8').slice(0, -1);
  }

  /** Of all that was taken. */
  digest(): Buffer {
    return this.#hash.copy().digest();
  }

  async #fill(enough: () => boolean, wanted: number): Promise<boolean> {
    if (enough()) return true;
    const parts = [this.#rest];
    let bytes = this.#rest.length;
    for (;;) {
      let next: IteratorResult<Buffer>;
      try {
        next = await this.#chunks.next();
      } catch (error) {
        throw this.#say(messageOf(error), error);
      }
      if (!next.done) {
        parts.push(next.value);
        bytes += next.value.length;
        if (bytes < wanted) continue;
      }
      this.#rest = Buffer.concat(parts);
      if (next.done || enough()) return enough();
      parts.splice(0, parts.length, this.#rest);
    }
  }

  close(): void {
    this.#close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
