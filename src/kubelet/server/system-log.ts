// GET /logs/?query=…: the node's own services, from the machine's journal or else their files.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import { HttpError } from './http-error.ts';
import { journalArguments, readSystemLogQuery, type SystemLogQuery, serviceFiles } from './kernel/system-log-query.ts';
import { answerStream, type Route } from './route.ts';

/** Runs journalctl; what it wrote. Rejects where there is none. */
export type ReadJournal = (args: readonly string[]) => Promise<Buffer>;

const maxJournalBytes = 64 << 20;
const timeoutMs = 30_000;

const readMachineJournal: ReadJournal = args =>
  new Promise((resolve, reject) => {
    const options = { encoding: 'buffer', maxBuffer: maxJournalBytes, timeout: timeoutMs } as const;
    execFile('journalctl', [...args], options, (error, stdout) => (error ? reject(error) : resolve(stdout)));
  });

/** What is left of /logs goes to `others`. */
export function systemLogRoute(directory: string, others: Route, journal: ReadJournal = readMachineJournal): Route {
  return async asked => {
    if (!asked.query.has('query')) return others(asked);
    const query = readQuery(asked.query);
    const parts = query.file === undefined ? services(query) : [await existing(directory, query.file)];
    await answerStream(asked, 200, { 'content-type': 'text/plain; charset=utf-8' }, contents(await Promise.all(parts)));
  };

  function services(query: SystemLogQuery): Promise<Part>[] {
    return query.services.map(async name => {
      const text = await journal(journalArguments(query, name)).catch(() => Buffer.alloc(0));
      if (text.length) return { text };
      for (const file of serviceFiles(name)) {
        const found = await existing(directory, file).catch(() => undefined);
        if (found) return found;
      }
      throw new HttpError(404, `no logs of ${JSON.stringify(name)} in the journal or below ${directory}\n`);
    });
  }
}

type Part = { readonly text: Buffer } | { readonly path: string };

async function* contents(parts: readonly Part[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if ('text' in part) yield part.text;
    else yield* createReadStream(part.path) as AsyncIterable<Buffer>;
  }
}

function readQuery(query: URLSearchParams): SystemLogQuery {
  try {
    return readSystemLogQuery(query);
  } catch (error) {
    throw new HttpError(406, `${messageOf(error)}\n`, {}, { cause: error });
  }
}

/** A file below the directory, which no link leads out of. Rejects with 404. */
async function existing(directory: string, file: string): Promise<Part> {
  const missing = new HttpError(404, '404 page not found\n');
  const paths = await Promise.all([realpath(directory), realpath(join(directory, file))]).catch(() => undefined);
  if (!paths?.[1].startsWith(`${paths[0]}/`)) throw missing;
  const [, path] = paths;
  if (!(await stat(path)).isFile()) throw missing;
  return { path };
}
