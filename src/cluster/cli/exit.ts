/** Exit codes of `k8ts`, as documented in `k8ts --help`. */
export const exitCode = {
  ok: 0,
  failure: 1,
  /** Wrong flags, arguments or configuration. */
  usage: 2,
  /** The cluster, node or component does not exist or does not run. */
  notFound: 3,
  /** What was waited for did not happen in time. */
  timeout: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Ends the command with a message and a code; `hint` says what to do. */
export class CliError extends Error {
  override name = 'CliError';
  readonly code: ExitCode;
  readonly hint: string | undefined;

  constructor(message: string, code: ExitCode = exitCode.failure, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
