import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { findProgram, runProgram } from './command.ts';

/** Unmounts everything below the directories, deepest and latest first; what is busy is detached. */
export async function unmountBelow(directories: readonly string[]): Promise<void> {
  const umount = findProgram('umount') ?? 'umount';
  for (let round = 0; round < 3; round++) {
    const points = mountPointsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), directories);
    if (points.length === 0) return;
    for (let i = 0; i < points.length; i += 100)
      await runProgram(umount, ['-l', ...points.slice(i, i + 100)]).catch(() => {});
  }
  const left = mountPointsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), directories);
  if (left.length > 0) throw new Error(`unmount below ${directories.join(', ')}: ${left.length} left: ${left[0]}`);
}

/** Pure: the mount points of a mountinfo text that lie below the directories, in the order to unmount them. */
export function mountPointsBelow(mountinfo: string, directories: readonly string[]): string[] {
  const points = mountinfo
    .split('\n')
    .map(line =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
  return points.filter(point => directories.some(d => point.startsWith(`${d}/`))).reverse();
}

/** Whether something is mounted there; the path is absolute and without links. */
export const isMountPoint = (path: string): boolean =>
  mountPointsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), [dirname(path)]).includes(path);
