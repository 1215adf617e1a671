// A route to the addresses of services: without any the kernel gives up on one before the rules see the packet.
import type { Clock } from '../base/clock.ts';
import type { Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import { exec } from './host/exec.ts';
import { routeProtocol } from './kernel/route-plan.ts';

export interface ServiceRouteOptions {
  readonly serviceCidr: string;
  readonly link: string;
  readonly nodeAddress: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What runs `ip`; tests pass their own. */
  readonly exec?: typeof exec;
}

const retryMs = 5_000;
/** A link that goes down takes its routes with it. */
const checkMs = 120_000;

export function createServiceRoute(options: ServiceRouteOptions): Service {
  const { clock, log } = options;
  return {
    name: 'service route',
    async run(signal) {
      while (!signal.aborted) {
        const waitMs = await ensure(options).then(
          () => checkMs,
          error => {
            log.warn('setting the route to services failed; trying again', { error });
            return retryMs;
          },
        );
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    },
  };
}

/** Only where no other route leads there, a default route for instance: then that one does. */
async function ensure({ serviceCidr, link, nodeAddress, exec: run = exec }: ServiceRouteOptions): Promise<void> {
  const [network = ''] = serviceCidr.split('/');
  const leads = await run('ip', ['route', 'get', network]).then(
    () => true,
    () => false,
  );
  if (leads) return;
  const target = [serviceCidr, 'dev', link, 'scope', 'link', 'src', nodeAddress, 'proto', String(routeProtocol)];
  await run('ip', ['route', 'replace', ...target]);
}
