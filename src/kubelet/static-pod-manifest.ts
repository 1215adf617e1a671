// What manifests that come from elsewhere than the API say of pods of this node.
import { createHash } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import { formatMicroTime } from '../api/meta.ts';
import { apiReference } from '../api/pod-reference.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';

export const hashAnnotation = 'kubernetes.io/config.hash';
const seenAnnotation = 'kubernetes.io/config.seen';
export const sourceAnnotation = 'kubernetes.io/config.source';

export interface ManifestOrigin {
  readonly source: 'file' | 'http';
  /** The file or the URL. */
  readonly at: string;
}

export class ManifestReader {
  readonly #nodeName: string;
  readonly #clock: Clock;
  /** First sight of a manifest, by uid: it must not change with each reading. */
  #seen = new Map<string, string>();

  constructor({ nodeName, clock }: { readonly nodeName: string; readonly clock: Clock }) {
    this.#nodeName = nodeName;
    this.#clock = clock;
  }

  /** Throws when one of them is none, and when a text that is not empty holds nothing. */
  read(text: string, origin: ManifestOrigin): readonly Pod[] {
    const out: Pod[] = [];
    let documents = 0;
    for (const document of parseAllDocuments(text)) {
      if (document.errors.length) throw document.errors[0]!;
      const value = document.toJS() as Manifest | null;
      if (!value) continue;
      documents++;
      if (origin.source === 'http' && value.kind === 'PodList' && value.apiVersion === 'v1')
        out.push(...(value.items ?? []).map(item => this.#checked({ kind: 'Pod', apiVersion: 'v1', ...item }, origin)));
      else out.push(this.#checked(value, origin));
    }
    if (text && documents === 0) throw new Error('no pod in it');
    return out;
  }

  /** Only these there still are. */
  retain(pods: readonly Pod[]): void {
    this.#seen = new Map(
      pods.flatMap(({ metadata: { uid = '' } }) => {
        const seen = this.#seen.get(uid);
        return seen === undefined ? [] : [[uid, seen] as const];
      }),
    );
  }

  #checked(value: Pod, origin: ManifestOrigin): Pod {
    if (value.kind !== 'Pod' || value.apiVersion !== 'v1')
      throw new Error(`invalid pod: expected v1 Pod, got ${value.apiVersion} ${value.kind}`);
    if (!value.metadata?.name || !value.spec?.containers?.length)
      throw new Error('invalid pod: metadata.name and spec.containers are required');
    // Nobody has checked whether who wrote the manifest may read it.
    const reference = apiReference(value);
    if (reference) throw new Error(`static pods may not reference ${reference}`);
    return this.#pod(value, origin);
  }

  #pod(manifest: Pod, { source, at }: ManifestOrigin): Pod {
    const nodeName = this.#nodeName;
    const from = `host:${nodeName}${source === 'file' ? 'file' : 'url'}:${at}`;
    const uid = manifest.metadata.uid ?? createHash('md5').update(JSON.stringify(manifest)).update(from).digest('hex');
    // As Go writes a time with its fractions: without zeros at the end.
    const seen = this.#seen.getOrInsertComputed(uid, () => formatMicroTime(this.#clock.now()).replace(/\.?0+Z$/, 'Z'));
    const toleration = { operator: 'Exists' as const, effect: 'NoExecute' as const };
    return {
      ...manifest,
      metadata: {
        ...manifest.metadata,
        name: `${manifest.metadata.name}-${nodeName.toLowerCase()}`,
        namespace: manifest.metadata.namespace || 'default',
        uid,
        annotations: {
          ...manifest.metadata.annotations,
          [hashAnnotation]: uid,
          [seenAnnotation]: seen,
          [sourceAnnotation]: source,
        },
      },
      spec: {
        ...manifest.spec,
        nodeName,
        tolerations: [...(manifest.spec.tolerations ?? []), toleration],
      },
      status: { phase: 'Pending' },
    };
  }
}

type Manifest = Pod & { readonly items?: readonly Pod[] };
