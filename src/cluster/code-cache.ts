// The code of a daemon in one script, with what V8 made of it the last time. Node's own compile cache keeps a module as
// it was before it ran, without the functions that were compiled when they were first called: a quarter of a start.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, getCompileCacheDir } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

type Body = (
  require: NodeJS.Require,
  module: { exports: object },
  exports: object,
  url: string,
  importModule: (url: string) => Promise<unknown>,
) => void;

let keep: (() => void) | undefined;

/**
 * Runs a script that is a function as `Body` and gives its exports. `content` tells it from other versions of the same
 * script: code kept of one of those is not taken. V8 itself refuses that of another V8.
 */
export function loadScript(url: string, content: string, folder: string | undefined = getCompileCacheDir()): object {
  const path = fileURLToPath(url);
  const file = folder && join(folder, `${basename(path)}.code`);
  const cachedData = file ? readCode(file, content) : undefined;
  const script = new Script(readFileSync(path, 'latin1'), {
    filename: path,
    ...(cachedData ? { cachedData } : {}),
  });
  const kept = cachedData && !script.cachedDataRejected;
  keep = file && !kept ? () => writeCode(file, content, script.createCachedData()) : undefined;
  const module = { exports: {} };
  (script.runInThisContext() as Body)(createRequire(url), module, module.exports, url, found => import(found));
  return module.exports;
}

/** Keeps the code of the functions called so far, when the script was loaded without. Takes some 30 ms. */
export function keepCode(): void {
  const write = keep;
  keep = undefined;
  try {
    write?.();
  } catch {
    // A folder that is read-only or full: the next start takes as long as this one.
  }
}

// A line of JSON, then the code.
interface Heading {
  readonly content: string;
  readonly checksum: number;
}

const lineEnd = 10;

function readCode(file: string, content: string): Buffer | undefined {
  try {
    const bytes = readFileSync(file);
    const end = bytes.indexOf(lineEnd);
    const heading = JSON.parse(bytes.toString('latin1', 0, end)) as Heading;
    const code = bytes.subarray(end + 1);
    return heading.content === content && heading.checksum === crc32(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

function writeCode(file: string, content: string, code: Buffer): void {
  const heading: Heading = { content, checksum: crc32(code) };
  const unfinished = `${file}.${process.pid}`;
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(unfinished, Buffer.concat([Buffer.from(`${JSON.stringify(heading)}\n`), code]), { mode: 0o600 });
  renameSync(unfinished, file);
}
