// All static pods of this node, wherever they come from.
import type { Pod } from '../api/type/core-v1.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import type { Host } from './host/host.ts';
import type { KubeletOptions } from './option.ts';
import { fullNameOf } from './static-pod.ts';
import { StaticPodFiles } from './static-pod-file.ts';
import { ManifestReader, sourceAnnotation } from './static-pod-manifest.ts';
import { followStaticPodUrl } from './static-pod-url.ts';

export interface StaticPodsOptions
  extends Pick<KubeletOptions, 'nodeName' | 'clock' | 'log' | 'staticPodPath' | 'fileCheckMs' | 'staticPodUrl'> {
  readonly host: Host;
  /** A pod that is left alone, and why. */
  onInvalid(pod: Pod, message: string): void;
  /** All there are now. */
  onChange(pods: readonly Pod[]): void;
  /** Each source was read once: what is not there is no more. */
  onComplete(): void;
}

const checkMs = 20_000;

export class StaticPods {
  readonly #o: StaticPodsOptions;
  /** Undefined until read. */
  readonly #found: Record<'file' | 'http', readonly Pod[] | undefined>;
  readonly #manifests: ManifestReader;
  #last = '';

  constructor(options: StaticPodsOptions) {
    this.#o = options;
    this.#manifests = new ManifestReader(options);
    const { staticPodPath, staticPodUrl } = options;
    this.#found = { file: staticPodPath ? undefined : [], http: staticPodUrl ? undefined : [] };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { staticPodPath: path, staticPodUrl: from, host, clock, log } = this.#o;
    const manifests = this.#manifests;
    const sources: Service[] = [];
    if (path) {
      const onRead = (pods: readonly Pod[]) => this.#take('file', pods);
      const files = new StaticPodFiles({
        ...{ host, clock, log, manifests, path, onRead, rereadMs: this.#o.fileCheckMs ?? checkMs },
      });
      sources.push({ name: 'static pods of files', run: s => files.run(s) });
    }
    if (from) {
      const onRead = (pods: readonly Pod[]) => this.#take('http', pods);
      const options = { headers: {}, everyMs: checkMs, ...from, clock, log, manifests, onRead };
      sources.push({ name: 'static pods of a URL', run: s => followStaticPodUrl(options, s) });
    }
    await runAll([{ name: 'no static pods', run: aborted }, ...sources], signal);
  }

  #take(source: 'file' | 'http', pods: readonly Pod[]): void {
    const found = this.#found;
    const complete = () => found.file !== undefined && found.http !== undefined;
    const before = complete();
    found[source] = pods;
    const all = [...(found.file ?? []), ...(found.http ?? [])];
    this.#manifests.retain(all);
    const digest = all.map(p => p.metadata.uid).join();
    if (digest !== this.#last) this.#tell(all);
    this.#last = digest;
    if (!before && complete()) this.#o.onComplete();
  }

  #tell(all: readonly Pod[]): void {
    const byName = new Map<string, Pod>();
    for (const pod of all)
      if (byName.getOrInsert(fullNameOf(pod), pod) !== pod) this.#o.onInvalid(pod, duplicateMessage(pod));
    this.#o.onChange([...byName.values()]);
  }
}

function duplicateMessage({ metadata: { name, namespace, uid, annotations } }: Pod): string {
  return `Error validating pod ${name}_${namespace}(${uid}) from ${annotations?.[sourceAnnotation]} due to duplicate pod name "${name}", ignoring`;
}
