// ClusterTrustBundles for projected volumes.
import { certificatesV1alpha1, certificatesV1beta1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { ClusterTrustBundle } from '../../api/type/certificates-v1beta1.ts';
import type { ClusterTrustBundleProjection, Pod } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { chosenBundles, trustAnchors } from '../kernel/trust-anchor.ts';
import { WatchedList } from './watched-list.ts';

export interface TrustBundlesOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** A bundle has changed, appeared or gone, and the pod uses some. */
  onChange(podUid: string): void;
}

export class TrustBundles {
  readonly #bundles: WatchedList<ClusterTrustBundle>;
  readonly #users = new Set<string>();

  constructor({ client, clock, onChange }: TrustBundlesOptions) {
    this.#bundles = new WatchedList<ClusterTrustBundle>({
      ...{ client, clock },
      resources: [certificatesV1beta1.clustertrustbundles, certificatesV1alpha1.clustertrustbundles],
      onChange: () => {
        for (const uid of this.#users) onChange(uid);
      },
    });
  }

  /** PEM; empty when what is optional is not there. */
  async anchors(pod: Pod, source: ClusterTrustBundleProjection): Promise<string> {
    this.#users.add(pod.metadata.uid ?? '');
    const all = await this.#bundles.list().catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      throw new Error(
        'ClusterTrustBundle projection is not supported: the API server does not serve ClusterTrustBundles',
        {
          cause: error,
        },
      );
    });
    return trustAnchors(chosenBundles(source, all).map(b => b.spec.trustBundle));
  }

  release(podUid: string): void {
    this.#users.delete(podUid);
  }

  stop(): void {
    this.#bundles.stop();
  }
}
