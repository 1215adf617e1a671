// Parts of which one runs in a cluster, however many control planes it has.
import { hostname } from 'node:os';
import type { Service } from '../base/lifecycle.ts';
import { randomUuid } from '../base/random.ts';
import { fencedClient } from '../client/fenced-client.ts';
import { LeadershipLostError, runAsLeader } from '../client/leader-election.ts';
import type { ControlPlaneContext } from './component-context.ts';

/** The Lease in kube-system by which a part is led, as Kubernetes names it. */
export const leaseOf: Readonly<Record<string, string>> = {
  controllers: 'kube-controller-manager',
  scheduler: 'kube-scheduler',
};

/** Runs what `create` makes of a term's context while it holds the lease; who loses the lease waits for it again. */
export function electedPart(
  name: string,
  lease: string,
  context: ControlPlaneContext,
  create: (context: ControlPlaneContext) => Promise<Service>,
): Service {
  const { clock, random, metrics } = context;
  const log = context.log.with({ part: name });
  return {
    name,
    async run(signal) {
      const client = context.client({ userAgent: 'leader-election', user: `system:${lease}` });
      const identity = `${hostname()}_${randomUuid(random)}`;
      const lead = async (term: AbortSignal) => {
        const service = await create({ ...context, client: as => fencedClient(context.client(as), term) });
        if (!term.aborted) await service.run(term);
      };
      for (;;) {
        try {
          return await runAsLeader({ client, name: lease, identity, clock, random, log, metrics }, signal, lead);
        } catch (error) {
          if (!(error instanceof LeadershipLostError)) throw error;
          log.warn('leadership is lost', { error });
        }
      }
    },
  };
}
