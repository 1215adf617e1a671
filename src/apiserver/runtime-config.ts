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
