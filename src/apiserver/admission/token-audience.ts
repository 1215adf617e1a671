// For whom a node may ask for tokens: for whom its pods name themselves, their CSI drivers do, or rules allow.
import { forbidden } from '../../api/status.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/type/core-v1.ts';
import type { CSIDriver } from '../../api/type/storage-v1.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes } from './admission.ts';

export interface TokenAudienceDeps {
  readonly authorizer: Authorizer;
  readonly claims: WatchCache;
  readonly volumes: WatchCache;
  readonly drivers: WatchCache;
}

/** The drivers that have taken over for volumes of these kinds. */
const migrated = {
  awsElasticBlockStore: 'ebs.csi.aws.com',
  azureDisk: 'disk.csi.azure.com',
  azureFile: 'file.csi.azure.com',
  cinder: 'cinder.csi.openstack.org',
  gcePersistentDisk: 'pd.csi.storage.gke.io',
  portworxVolume: 'pxd.portworx.com',
  vsphereVolume: 'csi.vsphere.vmware.com',
} as const;

/** Throws unless the node may ask for a token of the pod for these; undefined when that is clear at once. */
export function checkTokenAudience(
  a: AdmissionAttributes,
  pod: Pod,
  audiences: readonly string[],
  deps: TokenAudienceDeps,
): Promise<void> | undefined {
  if (audiences.length > 1) throw forbidden(a.resource, a.name, 'node may only request 0 or 1 audiences');
  // Without any the token is for the API server.
  const audience = audiences[0] ?? '';
  const volumes = pod.spec.volumes ?? [];
  const tokens = volumes.flatMap(v => v.projected?.sources ?? []).flatMap(s => s.serviceAccountToken ?? []);
  if (tokens.some(t => (t.audience ?? '') === audience)) return undefined;
  if (volumes.some(v => asksFor(deps.drivers, driverOf(v, pod, deps), audience))) return undefined;
  return authorize(a, audience, deps.authorizer);
}

async function authorize(a: AdmissionAttributes, audience: string, authorizer: Authorizer): Promise<void> {
  const { decision } = await authorizer.authorize({
    user: a.user,
    verb: 'request-serviceaccounts-token-audience',
    isResource: true,
    group: '',
    version: '',
    resource: audience,
    subresource: '',
    namespace: a.namespace,
    name: a.name,
    path: '',
  });
  if (decision === 'allow') return;
  throw forbidden(
    a.resource,
    a.name,
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ${a.user.name} is not authorized to request tokens for this audience`,
  );
}

function asksFor(drivers: WatchCache, name: string | undefined, audience: string): boolean {
  const driver = name === undefined ? undefined : (drivers.latest(name)?.object as CSIDriver | undefined);
  return driver?.spec.tokenRequests?.some(r => r.audience === audience) ?? false;
}

function driverOf(volume: Volume, pod: Pod, { claims, volumes }: TokenAudienceDeps): string | undefined {
  const inline = volume.csi?.driver ?? migratedDriver(volume);
  if (inline) return inline;
  const claimName =
    volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral && `${pod.metadata.name}-${volume.name}`);
  if (!claimName) return undefined;
  const claim = claims.latest(`${pod.metadata.namespace}/${claimName}`)?.object as PersistentVolumeClaim | undefined;
  const { volumeName } = claim?.spec ?? {};
  const { spec } = ((volumeName && volumes.latest(volumeName)?.object) || {}) as Partial<PersistentVolume>;
  return spec && (spec.csi?.driver ?? migratedDriver(spec));
}

function migratedDriver(source: Volume | PersistentVolume['spec']): string | undefined {
  for (const [kind, driver] of Object.entries(migrated)) if (source[kind as keyof typeof migrated]) return driver;
  return undefined;
}
