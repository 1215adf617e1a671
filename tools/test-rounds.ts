// Which files of tests run at the same time. Most of what tests with real containers do is wait: for a grace period, a
// probe, a minute of a CronJob. So those may run two at a time that cannot meet, and their files say so themselves.

export type Kind = 'unit' | 'slow' | 'root';

/** Files that run side by side, `atOnce` of them; the next round begins when all of them have ended. */
export interface Round {
  readonly files: readonly string[];
  readonly atOnce: number;
}

/** A line with the reason why a file of root tests may have another one beside it. */
const besideOthers = /^\/\/ Runs beside others: \S/m;

export const mayRunBesideOthers = (text: string): boolean => besideOthers.test(text);

/**
 * Every file is in exactly one round, in the order given. Slow tests compute for a little more than half of their time,
 * the rest is waiting for leases, disks and other programs: one more than there are processors. Root tests without the
 * mark look at the whole machine, strain it, or count short times: alone.
 */
export function roundsOf(
  kind: 'slow' | 'root',
  files: readonly string[],
  textOf: (file: string) => string,
  processors: number,
): Round[] {
  if (kind === 'slow') return [{ files, atOnce: processors + 1 }];
  const beside = files.filter(f => mayRunBesideOthers(textOf(f)));
  const alone = files.filter(f => !beside.includes(f));
  return [
    { files: beside, atOnce: 2 },
    { files: alone, atOnce: 1 },
  ].filter(round => round.files.length > 0);
}
