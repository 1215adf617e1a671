// The scheduler, acting as system:kube-scheduler, over informers of its own, for it may see what others may not.
import { hostname } from 'node:os';
import { featureGates } from '../api/feature-gates.ts';
import { runAll, type Service } from '../base/lifecycle.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import type { SchedulerSettings } from '../scheduler/configuration.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { readSchedulerFiles, settingsOf } from './scheduler-settings.ts';

/** Rejects when the configuration or a plugin's module cannot be used. */
export async function createControlPlaneScheduler(context: ControlPlaneContext): Promise<Service> {
  const files = context.config.scheduler;
  const settings = await settingsOf(context.scheduler ?? (files ? await readSchedulerFiles(files) : {}));
  return { name: 'scheduler', run: signal => runScheduler(context, settings, signal) };
}

async function runScheduler(
  context: ControlPlaneContext,
  settings: Partial<SchedulerSettings>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, metrics } = context;
  const log = context.log.with({ part: 'scheduler' });
  const client = context.client({ userAgent: 'kube-scheduler', user: 'system:kube-scheduler' });
  const informers = createInformerFactory(client, { clock, random, log });
  const featureEnabled = featureGates(context.config.featureGates);
  const scheduler = createScheduler({
    ...{ client, informers, clock, random, log, metrics, featureEnabled, host: hostname() },
    ...settings,
  });
  if (context.decisions) {
    context.decisions.of = uid => scheduler.why(uid);
    context.decisions.dump = () => scheduler.dump();
  }
  const feeding: Service = { name: 'informers', run: s => informers.run(s) };
  await runAll([scheduler, feeding], signal);
}
