// legacy-serviceaccount-token-cleaner-controller: tokens that were made by themselves, lie in Secrets and have not been
// used for a year are first made invalid, and after another year deleted.
import { formatTime, parseTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isConflict, isNotFound } from '../../api/status.ts';
import type { ConfigMap, Secret } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';

const everyMs = 86_400_000;
const defaultPeriodMs = 365 * everyMs;
const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';
/** Since when the API server notes uses. */
const tracking = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' };

export interface LegacyTokenCleanerOptions {
  /** How long a token may be out of use, and how long it then stays, invalid. Default a year. */
  readonly periodMs?: number;
}

export function legacyTokenCleanerController({
  periodMs = defaultPeriodMs,
}: LegacyTokenCleanerOptions = {}): Controller {
  return {
    name: 'legacy-serviceaccount-token-cleaner-controller',
    serviceAccount: 'legacy-service-account-token-cleaner',
    watches: [],
    reads: [coreV1.secrets, coreV1.serviceaccounts, coreV1.pods],
    writes: ['secrets'],
    workers: 0,
    create: context => ({
      reconcile: async () => {},
      async run(signal) {
        while (!signal.aborted) {
          await clean(context, periodMs).catch(error =>
            context.log.warn('cleaning legacy tokens failed', { error: messageOf(error) }),
          );
          await context.clock.sleep(everyMs, signal).catch(() => {});
        }
      },
    }),
  };
}

async function clean(context: ControllerContext, periodMs: number): Promise<void> {
  const nowMs = context.clock.now();
  const since = await trackedSinceMs(context);
  // Before that nobody knows what was used.
  if (since === undefined || nowMs < since + periodMs) return;
  const stale = formatTime(nowMs - periodMs).slice(0, 10);
  for (const secret of context.lister(coreV1.secrets).list()) {
    if (secret.type !== 'kubernetes.io/service-account-token') continue;
    if ((parseTime(secret.metadata.creationTimestamp) ?? nowMs) >= nowMs - periodMs) continue;
    if (!isGenerated(context, secret) || isMounted(context, secret)) continue;
    const lastUsed = secret.metadata.labels?.[lastUsedLabel];
    if (lastUsed !== undefined && !(isDay(lastUsed) && lastUsed < stale)) continue;
    await retire(context, secret, stale, formatTime(nowMs).slice(0, 10));
  }
}

async function trackedSinceMs({ client }: ControllerContext): Promise<number | undefined> {
  try {
    const { data } = await client.get<ConfigMap>(coreV1.configmaps, tracking);
    return parseTime(data?.since);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const isDay = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && parseTime(text) !== undefined;

/** Made by the control plane of old, which noted it in the account; what people make for themselves stays. */
function isGenerated({ lister }: ControllerContext, { metadata }: Secret): boolean {
  const { namespace, name, annotations } = metadata;
  const account = lister(coreV1.serviceaccounts).get(
    `${namespace}/${annotations?.['kubernetes.io/service-account.name']}`,
  );
  return (
    account !== undefined &&
    account.metadata.uid === annotations?.['kubernetes.io/service-account.uid'] &&
    account.secrets?.some(s => s.name === name) === true
  );
}

function isMounted({ lister }: ControllerContext, { metadata: { namespace, name } }: Secret): boolean {
  return lister(coreV1.pods)
    .list(namespace!)
    .some(pod =>
      (pod.spec.volumes ?? []).some(
        v => v.secret?.secretName === name || v.projected?.sources?.some(s => s.secret?.name === name),
      ),
    );
}

async function retire(
  { client, log }: ControllerContext,
  { metadata: { namespace, name, uid, resourceVersion, labels } }: Secret,
  stale: string,
  today: string,
): Promise<void> {
  const key = { namespace: namespace!, name };
  const invalidSince = labels?.[invalidSinceLabel];
  try {
    if (invalidSince === undefined) {
      const metadata = { uid, resourceVersion, labels: { [invalidSinceLabel]: today } };
      await client.patch(coreV1.secrets, key, { type: 'merge', body: { metadata } });
      log.info('marked a legacy token as invalid', { secret: `${namespace}/${name}` });
    } else if (isDay(invalidSince) && invalidSince < stale) {
      const preconditions = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
      await client.delete(coreV1.secrets, key, { preconditions });
      log.info('deleted a legacy token', { secret: `${namespace}/${name}` });
    }
  } catch (error) {
    // It is in use again, or gone: the next round sees.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
