export interface RoleArguments {
  /** Undefined: the command line is for the command's own reader, which tells what is wrong with it or helps. */
  readonly file: string | undefined;
  readonly flags: readonly string[];
}

/** Of what follows a daemon's name: its configuration file, wherever it stands, and the flags beside it. */
export function roleArguments(args: readonly string[]): RoleArguments {
  const at = args.findIndex(arg => arg === '--config' || arg.startsWith('--config='));
  const first = args[at];
  if (first === undefined || args.some(arg => arg === '--help' || arg === '-h'))
    return { file: undefined, flags: args };
  const joined = first !== '--config';
  const file = joined ? first.slice('--config='.length) : args[at + 1];
  return { file: file || undefined, flags: args.toSpliced(at, joined ? 1 : 2) };
}
