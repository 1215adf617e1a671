// The fields of a KubeletConfiguration that name a URL of static pods.
import type { KubeletOptions } from '../kubelet/option.ts';
import { invalid, isMap, milliseconds, texts, typed } from './kubelet-values.ts';

export type StaticPodGiven = Readonly<{
  staticPodURL?: string;
  staticPodURLHeader?: Readonly<Record<string, readonly string[]>>;
  httpCheckFrequency?: string;
}>;

export const staticPodFields: Readonly<Record<string, (value: unknown, name: string) => void>> = {
  staticPodURL(value, name) {
    const url = typed<string>(value, name, 'string');
    if (url && !['http:', 'https:'].includes(URL.parse(url)?.protocol ?? ''))
      throw invalid(name, value, 'must be a URL of http or https');
  },
  staticPodURLHeader(value, name) {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    for (const [header, values] of Object.entries(value)) {
      const at = `${name}.${header}`;
      for (const text of texts(values, at)) {
        try {
          new Headers([[header, text]]);
        } catch {
          throw invalid(at, text, 'must be a header');
        }
      }
    }
  },
  httpCheckFrequency: (value, name) => void milliseconds(value, name),
};

export function staticPodUrlOf(given: StaticPodGiven): Pick<KubeletOptions, 'staticPodUrl'> {
  const { staticPodURL: url, staticPodURLHeader: headers, httpCheckFrequency: every } = given;
  if (!url) return {};
  const everyMs = every ? milliseconds(every, 'httpCheckFrequency') : 0;
  return { staticPodUrl: { url, ...(headers ? { headers } : {}), ...(everyMs ? { everyMs } : {}) } };
}
