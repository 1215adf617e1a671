// Files of one volume that would lie where others lie.
import type { Volume, VolumeProjection } from '../../type/core-v1.ts';
import { mostWarnings } from './warning-limit.ts';

interface Placed {
  readonly path: string;
  /** Of a projected volume: which source it comes from. */
  readonly from?: string;
}

export function overlapWarnings({ name, configMap, secret, downwardAPI, projected }: Volume): string[] {
  const what = (kind: string) => `volume ${JSON.stringify(name)} (${kind})`;
  if (configMap?.items) return overlaps(configMap.items, what('ConfigMap'));
  if (secret?.items) return overlaps(secret.items, what('Secret'));
  if (downwardAPI) return overlaps(downwardAPI.items ?? [], what('DownwardAPI'));
  if (!projected) return [];
  const sources = projected.sources ?? [];
  const empty = sources
    .filter(s => Object.keys(s).length === 0)
    .map(() => `${what('Projected')} has no sources provided`);
  return [...empty, ...overlaps(sources.flatMap(placedBy), what('Projected'))];
}

function placedBy(source: VolumeProjection): Placed[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  const each = (items: readonly { readonly path: string }[] | undefined, from: string) =>
    (items ?? []).map(({ path }) => ({ path, from }));
  if (configMap) return each(configMap.items, `ConfigMap ${JSON.stringify(configMap.name ?? '')}`);
  if (secret) return each(secret.items, `Secret ${JSON.stringify(secret.name ?? '')}`);
  if (downwardAPI) return each(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return each([serviceAccountToken], 'ServiceAccountToken');
  if (clusterTrustBundle) {
    const { name, signerName = '', path } = clusterTrustBundle;
    const whose = name === undefined ? `SignerName ${JSON.stringify(signerName)}` : JSON.stringify(name);
    return [{ path, from: `ClusterTrustBundle ${whose}` }];
  }
  const { credentialBundlePath, keyPath, certificateChainPath } = podCertificate ?? {};
  const paths = [credentialBundlePath, keyPath, certificateChainPath].filter(p => p !== undefined && p !== '');
  return paths.map(path => ({ path: path!, from: 'PodCertificate' }));
}

interface Ordered extends Placed {
  readonly order: number;
  readonly key: string;
}

/** Each file with those before it. */
function overlaps(files: readonly Placed[], what: string): string[] {
  if (files.length < 2) return [];
  const pairs: (readonly [later: Ordered, earlier: Ordered])[] = [];
  /** The folders that hold the file at hand, and files at its path. */
  const above: Ordered[] = [];
  for (const file of byFolder(files)) {
    while (above.length && !covers(above.at(-1)!.path, file.path)) above.pop();
    for (const other of above.slice(0, mostWarnings - pairs.length))
      pairs.push(file.order > other.order ? [file, other] : [other, file]);
    above.push(file);
  }
  const said = ({ path, from }: Placed) => JSON.stringify(path) + (from === undefined ? '' : ` (${from})`);
  return pairs
    .sort(([a, b], [c, d]) => a.order - c.order || b.order - d.order)
    .map(([later, earlier]) => `${what}: overlapping paths: ${said(later)} with ${said(earlier)}`);
}

/** What lies in a folder stands right behind it. */
const byFolder = (files: readonly Placed[]): Ordered[] =>
  files
    .map((file, order) => ({ ...file, order, key: file.path.replaceAll('/', '\0') }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.order - b.order));

const covers = (folder: string, path: string): boolean =>
  path.startsWith(folder) && (path.length === folder.length || path[folder.length] === '/');
