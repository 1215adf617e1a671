// The scheduler, acting as system:kube-scheduler, over informers of its own, for it may see what others may not.
import { runAll, type Service } from '../base/lifecycle.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import type { ControlPlaneContext } from './components.ts';

export function createControlPlaneScheduler(context: ControlPlaneContext): Service {
  const { clock, random, metrics } = context;
  const log = context.log.with({ part: 'scheduler' });
  const client = context.client({ userAgent: 'kube-scheduler', user: 'system:kube-scheduler' });
  const informers = createInformerFactory(client, { clock, random, log });
  const scheduler = createScheduler({ client, informers, clock, random, log, metrics });
  if (context.decisions) context.decisions.of = uid => scheduler.why(uid);
  const feeding: Service = { name: 'informers', run: signal => informers.run(signal) };
  return { name: 'scheduler', run: signal => runAll([scheduler, feeding], signal) };
}
