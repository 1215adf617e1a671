// Files of one volume that would lie where others lie.
import type { Volume, VolumeProjection } from '../../type/core-v1.ts';

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

/** Each file with those before it. */
function overlaps(files: readonly Placed[], what: string): string[] {
  const out: string[] = [];
  const said = ({ path, from }: Placed) => JSON.stringify(path) + (from === undefined ? '' : ` (${from})`);
  for (const [i, file] of files.entries()) {
    for (const before of files.slice(0, i))
      if (covers(file.path, before.path) || covers(before.path, file.path))
        out.push(`${what}: overlapping paths: ${said(file)} with ${said(before)}`);
  }
  return out;
}

const covers = (folder: string, path: string): boolean => path === folder || path.startsWith(`${folder}/`);
