import { spawn } from 'node:child_process';

/** A program ended with another code than 0, or could not be started. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly code: number | undefined;
  readonly stderr: string;

  constructor(command: string, code: number | undefined, stderr: string, cause?: unknown) {
    const said = stderr.trim().split('\n').slice(0, 3).join('; ');
    super(`running ${command}: ${said || (code === undefined ? String(cause) : `exit code ${code}`)}`, { cause });
    this.code = code;
    this.stderr = stderr;
  }
}

export interface ExecOptions {
  /** Text for standard input. */
  input?: string;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** Where the program's output goes besides the result; for long-running ones. */
  onLine?: (line: string) => void;
}

/** Runs a program without a shell; its standard output. Rejects CommandError. */
export function exec(command: string, args: readonly string[], options: ExecOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const label = [command, ...args].join(' ').slice(0, 120);
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.env ? { env: options.env } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text;
      tell(text, options.onLine);
    });
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text;
      tell(text, options.onLine);
    });
    child.on('error', error => reject(new CommandError(label, undefined, '', error)));
    child.on('close', code => (code === 0 ? resolve(stdout) : reject(new CommandError(label, code ?? 1, stderr))));
    // A program that ends without reading its input is no error of ours.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

function tell(text: string, onLine: ((line: string) => void) | undefined): void {
  if (onLine) for (const line of text.split('\n')) if (line.trim()) onLine(line);
}
