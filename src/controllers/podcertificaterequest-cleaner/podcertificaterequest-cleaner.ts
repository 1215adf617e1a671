// podcertificaterequest-cleaner-controller: requests have served their turn after a quarter of an hour.
import { parseTime } from '../../api/meta.ts';
import { certificatesV1beta1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import { messageOf } from '../../base/assert.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';

const requests = certificatesV1beta1.podcertificaterequests;
const keptMs = 15 * 60_000;
const everyMs = 5 * 60_000;

export function podCertificateRequestCleanerController(): Controller {
  return {
    name: 'podcertificaterequest-cleaner-controller',
    serviceAccount: 'podcertificaterequestcleaner',
    watches: [],
    reads: [requests],
    writes: ['podcertificaterequests'],
    workers: 0,
    create: context => ({
      async reconcile() {},
      async run(signal) {
        while (!signal.aborted) {
          await clean(context);
          await context.clock.sleep(everyMs, signal).catch(() => {});
        }
      },
    }),
  };
}

async function clean({ client, clock, lister, log }: ControllerContext): Promise<void> {
  const endMs = clock.now() - keptMs;
  for (const { metadata } of lister(requests).list()) {
    if ((parseTime(metadata.creationTimestamp) ?? 0) > endMs) continue;
    const { namespace, name, uid } = metadata;
    try {
      await client.delete(requests, { namespace: namespace!, name: name! }, { preconditions: { uid: uid! } });
    } catch (error) {
      if (!isNotFound(error))
        log.error('deleting a pod certificate request failed', { namespace, name, error: messageOf(error) });
    }
  }
}
