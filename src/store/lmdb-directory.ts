import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../base/assert.ts';
import { StoreOpenError } from './store-error.ts';

/** The file in a store's directory that holds the data; a snapshot put in its place is opened like it. */
export const dataFile = 'data.mdb';

/** A directory nobody else may use until released; the kernel releases it when this process dies, however it dies. */
export interface DirectoryLock {
  release(): void;
}

// A lock that is collected as garbage is lost.
const held = new Set<DatabaseSync>();

/**
 * Makes the directory and locks it. LMDB lets several processes write, but this store decides revisions in memory. The
 * lock is SQLite's on an empty file: Node has no flock, and SQLite takes a kernel lock that other network and process
 * namespaces see too and that also keeps this process from opening the directory twice.
 */
export function lockDirectory(directory: string): DirectoryLock {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreOpenError('unusable', directory, `making the directory: ${messageOf(error)}`, error);
  }
  const holderFile = join(directory, 'lock.pid');
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    writeFileSync(holderFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    lock?.close();
    if (!/database is locked/.test(messageOf(error))) {
      const hint = 'check that it can be written and that the disk has room';
      throw new StoreOpenError('unusable', directory, `locking it: ${messageOf(error)}; ${hint}`, error);
    }
    const message = `in use by process ${holder(holderFile)}; stop that one first, or choose another directory`;
    throw new StoreOpenError('locked', directory, message, error);
  }
  const taken = lock;
  held.add(taken);
  return {
    release() {
      if (held.delete(taken)) taken.close();
    },
  };
}

/** The process that has the directory; undefined when none has. Takes no lock: who starts meanwhile is not kept out. */
export function holderOf(directory: string): string | undefined {
  const file = join(directory, 'lock');
  try {
    const { ino } = statSync(file);
    const locks = readFileSync('/proc/locks', 'utf8').split('\n');
    const held = locks.some(line => line.includes(' WRITE ') && line.includes(`:${ino} `));
    return held ? holder(join(directory, 'lock.pid')) : undefined;
  } catch {
    return undefined;
  }
}

function holder(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '(unknown)';
  }
}

// Layout of LMDB's two meta pages: a page header of 24 bytes, then the fields.
const magic = 0xbeefc0de;
const dataVersion = 2;
const magicAt = 24;
const versionAt = 28;
const pageSizeAt = 48;
const lastPageAt = 144;
const transactionAt = 152;

/**
 * What is wrong with a data file, as far as LMDB would not notice itself: it maps the file, and a file that is shorter than
 * its own records say kills the process at the first access beyond the end.
 */
export function findDamage(file: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : messageOf(error);
  }
  try {
    const bytes = fstatSync(fd).size;
    if (bytes === 0) return undefined;
    const first = readMeta(fd, 0);
    if (!first) return 'its first page is not one of a store';
    if (first.version !== dataVersion) return `its LMDB format is ${first.version}, not ${dataVersion}`;
    const second = readMeta(fd, first.pageSize);
    if (!second) return 'its second page is not one of a store';
    const newest = second.transaction > first.transaction ? second : first;
    const needed = Number(newest.lastPage + 1n) * first.pageSize;
    if (bytes < needed) return `it has ${bytes} bytes where ${needed} were written`;
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function readMeta(fd: number, position: number) {
  const page = Buffer.alloc(160);
  if (readSync(fd, page, 0, page.length, position) < page.length) return undefined;
  if (page.readUInt32LE(magicAt) !== magic) return undefined;
  return {
    version: page.readUInt32LE(versionAt),
    pageSize: page.readUInt32LE(pageSizeAt),
    lastPage: page.readBigUInt64LE(lastPageAt),
    transaction: page.readBigUInt64LE(transactionAt),
  };
}
