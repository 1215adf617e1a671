// As kube-scheduler on SIGUSR2: what the scheduler believes goes to the log.
import { aborted, type Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';

/** `dump` gives nothing while there is no scheduler. */
export function dumpOnSignal(dump: () => string | undefined, log: Log): Service {
  const tell = () => {
    const text = dump();
    if (text !== undefined) log.info('what the scheduler believes', { dump: text });
  };
  return {
    name: 'dump of the scheduler',
    async run(signal) {
      process.on('SIGUSR2', tell);
      await aborted(signal);
      process.off('SIGUSR2', tell);
    },
  };
}
