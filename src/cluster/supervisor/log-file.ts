import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export interface LogFile {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Appends to `path`; when it would pass `maxBytes` it becomes `path.1`, that `path.2`, and so on up to `keep` old ones. */
export function openLogFile(path: string, maxBytes = 10 << 20, keep = 2): LogFile {
  mkdirSync(dirname(path), { recursive: true });
  let fd = openSync(path, 'a', 0o600);
  let size = fstatSync(fd).size;
  const rotate = () => {
    closeSync(fd);
    rmSync(`${path}.${keep}`, { force: true });
    for (let i = keep - 1; i >= 1; i--) tryRename(`${path}.${i}`, `${path}.${i + 1}`);
    if (keep > 0) tryRename(path, `${path}.1`);
    fd = openSync(path, 'w', 0o600);
    size = 0;
  };
  let open = true;
  return {
    write(bytes) {
      if (!open) return;
      try {
        if (size > 0 && size + bytes.length > maxBytes) rotate();
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        size += bytes.length;
      } catch {
        // A full disk must not end the processes whose words these are.
      }
    },
    close: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

function tryRename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There is no such old file yet.
  }
}
