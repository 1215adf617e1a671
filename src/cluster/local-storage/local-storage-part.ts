// Local storage as a part of the control plane, which has the class, and of a node, which has the directories.
import { join } from 'node:path';
import { aborted, runAll, type Service } from '../../base/lifecycle.ts';
import type { Client } from '../../client/client.ts';
import { httpClient } from '../../client/http-client.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import type { Controller } from '../../engine/controller.ts';
import { runControllers } from '../../engine/engine.ts';
import type { ControlPlaneContext, NodeContext } from '../component-context.ts';
import { claimPlacementController } from './claim-placement.ts';
import { localStorageController } from './local-storage.ts';
import { ensureLocalStorage } from './local-storage-setup.ts';
import { directoriesBelow, simulatedDirectories } from './volume-directories.ts';

const retryMs = 5_000;
const name = 'local storage';

export function createLocalStorage(context: ControlPlaneContext): Service {
  const { config, clock } = context;
  const log = context.log.with({ part: name });
  const client = context.client({ userAgent: 'k8ts-local-storage' });
  if (!config.localStorage) return { name, run: aborted };
  const ensured: Service = {
    name: 'storage class',
    async run(signal) {
      while (!signal.aborted) {
        try {
          await ensureLocalStorage(client);
          return await aborted(signal);
        } catch (error) {
          log.warn('creating the storage class failed; trying again', { error });
          await clock.sleep(retryMs, signal).catch(() => {});
        }
      }
    },
  };
  const simulated = { serves: () => true, directories: simulatedDirectories };
  const controllers = [
    claimPlacementController(),
    ...(config.simulatedNodes > 0 ? [localStorageController(simulated)] : []),
  ];
  return { name, run: signal => runAll([ensured, serve(controllers, client, { ...context, log })], signal) };
}

export function createNodeLocalStorage(context: NodeContext): Service {
  const { config, clock } = context;
  const identity = config.localStorage;
  if (!identity) return { name, run: aborted };
  const log = context.log.with({ part: name });
  const client = httpClient({
    server: config.server,
    ca: config.certificateAuthority,
    cert: identity.certificate,
    key: identity.key,
    userAgent: 'k8ts-local-storage',
    clock,
    log,
  });
  const directories = directoriesBelow(join(config.stateDirectory, 'volumes'));
  const controller = localStorageController({ serves: node => node === config.nodeName, directories });
  const { run } = serve([controller], client, { ...context, log });
  return { name, run: signal => run(signal).finally(() => client.close()) };
}

function serve(
  controllers: readonly Controller[],
  client: Client,
  { clock, random, log }: Pick<NodeContext, 'clock' | 'random' | 'log'>,
): Service {
  const informers = createInformerFactory(client, { clock, random, log });
  const engine: Service = {
    name: 'local storage controllers',
    run: signal => runControllers(controllers, { client, informers, clock, random, log }, signal),
  };
  return { name, run: signal => runAll([engine, { name: 'informers', run: s => informers.run(s) }], signal) };
}
