import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program on PATH (or in the administrator's directories), or undefined. */
export function findProgram(name: string, path: string = process.env.PATH ?? ''): string | undefined {
  for (const directory of [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']) {
    if (directory && isExecutable(join(directory, name))) return join(directory, name);
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end; rejects with what it said on stderr. */
export function runProgram(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], { maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error)
        reject(new Error(`run ${file} ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }));
      else resolve(stdout);
    });
  });
}
