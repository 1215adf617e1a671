// Which built-in resources are served: their defaults, feature gates and --runtime-config.
import { parseBool } from '../api/feature-gates.ts';
import { apiVersionOf } from '../api/ref.ts';
import { type Resource, readFacts } from '../api/resource.ts';

/** `api/all`, `api/ga`, `api/beta`, `api/alpha`, `group/version` or `group/version/resource` to whether it is on. */
export type RuntimeConfig = Readonly<Record<string, boolean>>;

const stageOf = (version: string) => (version.includes('alpha') ? 'alpha' : version.includes('beta') ? 'beta' : 'ga');

const stages = ['api/all', 'api/ga', 'api/beta', 'api/alpha'];

/** With the empty group before the slash, as kube-apiserver wants it. */
const versionOf = (r: Pick<Resource, 'group' | 'version'>) => `${r.group}/${r.version}`;

/** Versions that kube-apiserver knows and serves nothing of. */
let unserved: readonly string[] | undefined;
const unservedVersions = () => (unserved ??= readFacts<{ knownUnserved: string[] }>('resources.json').knownUnserved);

const groupOf = (version: string) => version.slice(0, version.indexOf('/'));

/** Of what names no stage. */
const versionsIn = (names: readonly string[]) =>
  names.filter(n => !stages.includes(n)).map(n => n.split('/', 2).join('/'));

/** Throws an error with Kubernetes' words for names that mean nothing. */
function checkNames(resources: readonly Resource[], names: readonly string[]): void {
  const malformed = names.filter(n => !/^[^/]*\/[^/]*(\/[^/]*)?$/.test(n)).sort()[0];
  if (malformed !== undefined) throw new Error(`runtime-config invalid key ${malformed}`);
  const groups = new Set([...resources.map(r => r.group), ...unservedVersions().map(groupOf)]);
  const unknown = versionsIn(names)
    .filter(v => !groups.has(groupOf(v)))
    .sort();
  if (unknown.length) throw new Error(`unknown api groups ${unknown.join(',')}`);
}

function checkVersions(resources: readonly Resource[], names: readonly string[]): void {
  const known = new Set([...resources.map(versionOf), ...unservedVersions()]);
  const absent = versionsIn(names).find(v => !known.has(v));
  if (absent !== undefined) throw new Error(`group version ${absent} that has not been registered`);
}

/** The values of --runtime-config: `name=true`, `name=false` or, of a version, `name`; parted by commas. */
export function parseRuntimeConfig(flags: readonly string[], resources: readonly Resource[]): RuntimeConfig {
  const texts: Record<string, string> = {};
  for (const item of flags.flatMap(flag => flag.split(',')).filter(text => text.trim() !== '')) {
    const at = item.indexOf('=');
    texts[(at < 0 ? item : item.slice(0, at)).trim()] = at < 0 ? '' : item.slice(at + 1).trim();
  }
  if (texts['api/all'] === 'false' && Object.keys(texts).length === 1)
    throw new Error('invalid runtime-config with only api/all=false');
  checkNames(resources, Object.keys(texts));
  const [ofStages, others] = [true, false].map(is => Object.entries(texts).filter(([n]) => stages.includes(n) === is));
  const read = (entries: [string, string][] = []) => entries.map(([name, text]) => [name, switchOf(name, text)]);
  const switched = read(ofStages);
  checkVersions(resources, Object.keys(texts));
  return Object.fromEntries([...switched, ...read(others)]);
}

function switchOf(name: string, text: string): boolean {
  if (stages.includes(name)) {
    if (text !== 'true' && text !== 'false') throw new Error(`invalid value ${name}=${text}`);
    return text === 'true';
  }
  const on = text === '' ? true : parseBool(text);
  if (on !== undefined) return on;
  const why = `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new Error(`invalid value of ${name}: ${text}, err: ${why}`);
}

/** Throws an error that names an item of the configuration that is not known. */
export function servedResources(
  resources: readonly Resource[],
  config: RuntimeConfig,
  featureEnabled: (gate: string) => boolean,
): Resource[] {
  checkNames(resources, Object.keys(config));
  checkVersions(resources, Object.keys(config));
  return resources.filter(r => {
    if (r.gate && !featureEnabled(r.gate)) return false;
    const version = versionOf(r);
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
