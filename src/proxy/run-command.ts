/** Runs a program to its end; its output. Rejects with what it said when it fails. */
export type RunCommand = (command: string, args: readonly string[], input?: string) => Promise<string>;
