// Which built-in resources are served: their defaults, feature gates and --runtime-config.
import { apiVersionOf } from '../api/ref.ts';
import type { Resource } from '../api/resource.ts';

/** `api/all`, `api/ga`, `api/beta`, `api/alpha`, `group/version` or `group/version/resource` to whether it is on. */
export type RuntimeConfig = Readonly<Record<string, boolean>>;

const stageOf = (version: string) => (version.includes('alpha') ? 'alpha' : version.includes('beta') ? 'beta' : 'ga');

/** Throws an error that names an item of the configuration that is not known. */
export function servedResources(
  resources: readonly Resource[],
  config: RuntimeConfig,
  featureEnabled: (gate: string) => boolean,
): Resource[] {
  const known = new Set(['api/all', 'api/ga', 'api/beta', 'api/alpha']);
  for (const r of resources) known.add(apiVersionOf(r)).add(`${apiVersionOf(r)}/${r.resource}`);
  for (const item of Object.keys(config))
    if (!known.has(item)) throw new Error(`runtime-config: unknown api ${JSON.stringify(item)}`);
  return resources.filter(r => {
    if (r.gate && !featureEnabled(r.gate)) return false;
    const version = apiVersionOf(r);
    const said = [`${version}/${r.resource}`, version, `api/${stageOf(r.version)}`, 'api/all'].find(
      item => item in config,
    );
    return said === undefined ? r.versionOnByDefault === true : config[said]!;
  });
}

/** What components ask for as soon as a gate is on, and wait for. */
const kindsOfGates: Readonly<Record<string, string>> = {
  ClusterTrustBundle: 'certificates.k8s.io/v1beta1/clustertrustbundles',
  PodCertificateRequest: 'certificates.k8s.io/v1beta1/podcertificaterequests',
  DRADeviceTaintRules: 'resource.k8s.io/v1beta2/devicetaintrules',
  DRAResourcePoolStatus: 'resource.k8s.io/v1alpha3/resourcepoolstatusrequests',
};

/** Gates that are on without their kind being served: who needs it waits. */
export function gatesWithoutKind(
  served: readonly Resource[],
  featureEnabled: (gate: string) => boolean,
): { readonly gate: string; readonly kind: string }[] {
  const names = new Set(served.map(r => `${apiVersionOf(r)}/${r.resource}`));
  return Object.entries(kindsOfGates)
    .filter(([gate, kind]) => featureEnabled(gate) && !names.has(kind))
    .map(([gate, kind]) => ({ gate, kind }));
}
