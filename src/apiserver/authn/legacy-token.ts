// Notes which tokens from Secrets are still in use: the label legacy-token-last-used, kept to a day.

import { formatTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isConflict, isNotFound } from '../../api/status.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';

export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';

const trackingKey = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' };
const dayOf = (clock: Clock) => formatTime(clock.now()).slice(0, 10);

/** Called at every use; writes once a day and Secret. */
export function legacyTokenUse(client: Client, clock: Clock, log: Log): (secret: Secret) => void {
  const writing = new Set<string>();
  return ({ metadata }) => {
    const { namespace = '', name, labels } = metadata;
    const today = dayOf(clock);
    const id = `${namespace}/${name}`;
    if (labels?.[lastUsedLabel] === today || writing.has(id)) return;
    writing.add(id);
    const body = { metadata: { labels: { [lastUsedLabel]: today } } };
    client
      .patch(coreV1.secrets, { namespace, name }, { type: 'merge', body })
      .catch(error => {
        if (!isNotFound(error) && !isConflict(error))
          log.warn('noting the use of a token failed', { secret: id, error });
      })
      .finally(() => writing.delete(id));
  };
}

/** Says since when uses are noted: what has no label since then is not used. */
export async function startTracking(client: Client, clock: Clock): Promise<void> {
  try {
    await client.get(coreV1.configmaps, trackingKey);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await client.create(coreV1.configmaps, { metadata: trackingKey, data: { since: dayOf(clock) } });
  }
}
