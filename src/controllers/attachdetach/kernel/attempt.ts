// When to try again to attach a volume.
import type { VolumeAttachment } from '../../../api/type/storage-v1.ts';

const initialMs = 500;
const maxMs = 122_000;
/** How long an attacher may say nothing. */
export const silenceMs = 120_000;

export interface Attempt {
  readonly startedMs: number;
  readonly failures: number;
}

export const firstAttempt = (nowMs: number): Attempt => ({ startedMs: nowMs, failures: 0 });

/** The attempt after one that failed now: each waits twice as long. */
export const nextAttempt = ({ failures }: Attempt, nowMs: number): Attempt => ({
  startedMs: nowMs + Math.min(maxMs, initialMs * 2 ** failures),
  failures: failures + 1,
});

/** What an attempt under way has come to, told from the attachment that its driver has not made yet. */
export function attemptResult(
  { status }: VolumeAttachment,
  attempt: Attempt,
  nowMs: number,
): { readonly do: 'wait'; readonly afterMs: number } | { readonly do: 'fail'; readonly message?: string } {
  if (nowMs < attempt.startedMs) return { do: 'wait', afterMs: attempt.startedMs - nowMs };
  if (status?.attachError) return { do: 'fail', message: status.attachError.message ?? '' };
  const leftMs = attempt.startedMs + silenceMs - nowMs;
  return leftMs > 0 ? { do: 'wait', afterMs: leftMs } : { do: 'fail' };
}
