import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** What a Unix socket's address holds, its last zero left out. */
const maxBytes = 107;
/** Not in node:fs: open a path without opening what it names. */
const openPathOnly = 0o10000000;

/** Another name for the same path where it is too long for a socket's address; good until it is released. */
export function socketPath(path: string): { readonly path: string; release(): void } {
  if (Buffer.byteLength(path) <= maxBytes) return { path, release() {} };
  const fd = openSync(dirname(path), openPathOnly | constants.O_DIRECTORY);
  let held = true;
  return {
    path: `/proc/self/fd/${fd}/${basename(path)}`,
    release() {
      if (held) closeSync(fd);
      held = false;
    },
  };
}
