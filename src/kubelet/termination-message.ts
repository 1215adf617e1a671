import type { Host } from './host/host.ts';
import type { ObservedContainer } from './kernel/observed.ts';

const maxMessageBytes = 4096;
const maxLogBytes = 2048;
const maxLogLines = 80;

/** What a dead container left as its last words; empty when nothing. */
export async function terminationMessage(host: Host, c: ObservedContainer): Promise<string> {
  const written = c.terminationMessageFile ? await readOrNothing(host, c.terminationMessageFile, maxMessageBytes) : '';
  if (written || c.terminationMessagePolicy !== 'FallbackToLogsOnError' || c.exitCode === 0 || !c.logPath)
    return written;
  // Each line carries a time, a stream and a tag besides its text.
  const raw = await readOrNothing(host, c.logPath, maxLogBytes + maxLogLines * 64);
  return lastWords(raw);
}

async function readOrNothing(host: Host, path: string, bytes: number): Promise<string> {
  try {
    return (await host.readTail(path, bytes)) ?? '';
  } catch (error) {
    return `Error on reading termination log ${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The text of the last 80 lines of a CRI log, at most 2048 bytes. */
export function lastWords(log: string): string {
  const out: string[] = [];
  for (const line of log.split('\n')) {
    const m = /^\S+ (?:stdout|stderr) ([FP])\S* ?(.*)$/.exec(line);
    if (m) out.push(m[1] === 'F' ? `${m[2]}\n` : m[2]!);
  }
  const text = out.slice(-maxLogLines).join('');
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= maxLogBytes
    ? text
    : new TextDecoder().decode(bytes.subarray(-maxLogBytes)).replace(/^\uFFFD+/, '');
}
