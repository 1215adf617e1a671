// Two connections become one: what comes in at one goes out at the other.
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../clock.ts';

/** How long a stream may stand still: four hours, as everywhere in Kubernetes. */
export const streamIdleMs = 4 * 3_600_000;

export interface IdleWatch {
  /** Something came through. */
  touch(): void;
  stop(): void;
}

/** Calls `onIdle` once nothing was touched for so long. */
export function watchIdle(clock: Clock, idleMs: number, onIdle: () => void): IdleWatch {
  let lastMs = clock.monotonic();
  const arm = (inMs: number): Timer =>
    clock.after(inMs, () => {
      const leftMs = lastMs + idleMs - clock.monotonic();
      if (leftMs > 0) timer = arm(leftMs);
      else onIdle();
    });
  let timer = arm(idleMs);
  return {
    touch() {
      lastMs = clock.monotonic();
    },
    stop: () => timer.cancel(),
  };
}

/** What is on its way when one end breaks has so long to arrive. */
const abruptMs = 10_000;

/**
 * Hands bytes through both ways, no faster than they are read; an end on one side, abrupt or not, ends the other after
 * what is on its way. Resolves when both are gone.
 */
export function joinStreams(a: Duplex, b: Duplex, options: { clock: Clock; idleMs?: number }): Promise<void> {
  const idle = watchIdle(options.clock, options.idleMs ?? streamIdleMs, () => {
    a.destroy();
    b.destroy();
  });
  const oneWay = (from: Duplex, to: Duplex) => {
    from.on('data', idle.touch);
    from.pipe(to);
    return new Promise<void>(resolve => {
      const gone = () => {
        // What came before is still on its way, however it ended. Nobody is left to read what `to` still says, which
        // would keep it open for ever.
        to.end(() => to.destroy());
        if (!to.destroyed && (!from.readableEnded || from.errored)) {
          const timer = options.clock.after(abruptMs, () => to.destroy());
          to.once('close', () => timer.cancel());
        }
        resolve();
      };
      from.on('error', () => {});
      if (from.closed) gone();
      else from.once('close', gone);
    });
  };
  return Promise.all([oneWay(a, b), oneWay(b, a)]).then(() => idle.stop());
}
