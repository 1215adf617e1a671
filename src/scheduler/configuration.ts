// KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1: what it may say, and the profiles that come of it.
import { FieldErrors, path } from '../api/field-error.ts';
import { isQualifiedName } from '../api/name-rule.ts';
import type { ExtenderConfig } from './extender-config.ts';
import type { PluginFactory } from './framework.ts';
import { defaultPlugins } from './plugin/default-plugins.ts';
import type { NodeResourcesFitArgs } from './plugin/resource-scorer.ts';
import { type Point, points } from './profile.ts';
import { defaultProfile, defaultSchedulerName, type PluginConfig, type ProfileConfig } from './profile-config.ts';

export interface PluginReference {
  readonly name: string;
  readonly weight?: number;
}

export interface PluginSetConfiguration {
  readonly enabled?: readonly PluginReference[];
  /** `*`: all. */
  readonly disabled?: readonly { readonly name: string }[];
}

export interface ProfileConfiguration {
  readonly schedulerName?: string;
  readonly percentageOfNodesToScore?: number;
  readonly plugins?: Partial<Record<Point | 'multiPoint', PluginSetConfiguration>>;
  readonly pluginConfig?: readonly { readonly name: string; readonly args?: unknown }[];
}

export interface KubeSchedulerConfiguration {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly percentageOfNodesToScore?: number;
  readonly podInitialBackoffSeconds?: number;
  readonly podMaxBackoffSeconds?: number;
  readonly profiles?: readonly ProfileConfiguration[];
  readonly extenders?: readonly ExtenderConfig[];
  /** Ours: modules with plugins that profiles may name. Whoever reads the file loads them. */
  readonly pluginModules?: readonly string[];
}

/** As createScheduler takes it. */
export interface SchedulerSettings {
  readonly profiles: readonly ProfileConfig[];
  readonly percentageOfNodesToScore: number;
  readonly podInitialBackoffMs: number;
  readonly podMaxBackoffMs: number;
  readonly extenders: readonly ExtenderConfig[];
}

/** What cannot be as configured; one line a fault, with the path to it. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}

/** `more` are plugins besides those of Kubernetes. Throws ConfigurationError. */
export function readConfiguration(
  given: KubeSchedulerConfiguration,
  more: Readonly<Record<string, PluginFactory>> = {},
): SchedulerSettings {
  const errors = new FieldErrors();
  checkHeader(given, errors);
  const {
    podInitialBackoffSeconds: initial = 1,
    podMaxBackoffSeconds: most = 10,
    percentageOfNodesToScore = 0,
  } = given;
  checkPercentage(percentageOfNodesToScore, path('percentageOfNodesToScore'), errors);
  if (initial <= 0) errors.invalid(path('podInitialBackoffSeconds'), initial, 'must be greater than 0');
  if (most < initial)
    errors.invalid(path('podMaxBackoffSeconds'), most, 'must be greater than or equal to PodInitialBackoffSeconds');
  checkExtenders(given.extenders ?? [], errors);
  const factories = new Map<string, PluginFactory>(Object.entries(more));
  for (const p of defaultPlugins) factories.set(p.name, p.create);
  const profiles = given.profiles?.length
    ? given.profiles.map((p, i) => readProfile(p, i, factories, errors))
    : [defaultProfile()];
  checkNames(profiles, errors);
  const faults = errors.list.map(e => `${e.field}: ${e.message}`);
  if (faults.length) throw new ConfigurationError(faults.join('\n'));
  const unseen = (given.extenders ?? []).flatMap(e => e.managedResources ?? []).filter(r => r.ignoredByScheduler);
  return {
    profiles: unseen.length
      ? profiles.map(p =>
          ignoring(
            p,
            unseen.map(r => r.name),
          ),
        )
      : profiles,
    percentageOfNodesToScore,
    podInitialBackoffMs: initial * 1000,
    podMaxBackoffMs: most * 1000,
    extenders: given.extenders ?? [],
  };
}

/** Resources that only their extender looks at. */
function ignoring(profile: ProfileConfig, resources: readonly string[]): ProfileConfig {
  const plugins = profile.plugins.map(p => {
    if (p.name !== 'NodeResourcesFit') return p;
    const args = (p.args ?? {}) as NodeResourcesFitArgs;
    return { ...p, args: { ...args, ignoredResources: [...(args.ignoredResources ?? []), ...resources] } };
  });
  return { ...profile, plugins };
}

function checkHeader({ kind, apiVersion }: KubeSchedulerConfiguration, errors: FieldErrors): void {
  const [wantedKind, wantedVersion] = ['KubeSchedulerConfiguration', 'kubescheduler.config.k8s.io/v1'];
  if (kind !== undefined && kind !== wantedKind) errors.notSupported(path('kind'), kind, [wantedKind]);
  if (apiVersion !== undefined && apiVersion !== wantedVersion)
    errors.notSupported(path('apiVersion'), apiVersion, [wantedVersion]);
}

const isFullyQualifiedKey = (name: string): readonly string[] =>
  name.includes('/') ? isQualifiedName(name) : ['is an invalid extended resource name'];

function checkExtenders(extenders: readonly ExtenderConfig[], errors: FieldErrors): void {
  const managed = new Set<string>();
  for (const [i, e] of extenders.entries()) {
    const at = path('extenders').index(i);
    if (!e.urlPrefix) errors.required(at.child('urlPrefix'));
    if (e.prioritizeVerb && !((e.weight ?? 0) > 0))
      errors.invalid(at.child('weight'), e.weight ?? 0, 'must have a positive weight applied to it');
    for (const [k, { name }] of (e.managedResources ?? []).entries()) {
      const field = at.child('managedResources').index(k);
      for (const m of isFullyQualifiedKey(name)) errors.invalid(field, name, m);
      if (managed.has(name)) errors.invalid(field, name, 'duplicate extender managed resource name');
      managed.add(name);
    }
  }
  const binders = extenders.filter(e => e.bindVerb).length;
  if (binders > 1)
    errors.invalid(
      path('extenders'),
      `found ${binders} extenders implementing bind`,
      'only one extender can implement bind',
    );
}

function checkPercentage(value: number, at: ReturnType<typeof path>, errors: FieldErrors): void {
  if (!(value >= 0 && value <= 100)) errors.invalid(at, value, 'not in valid range [0-100]');
}

function checkNames(profiles: readonly ProfileConfig[], errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { schedulerName }] of profiles.entries()) {
    const at = path('profiles').index(i).child('schedulerName');
    if (seen.has(schedulerName)) errors.duplicate(at, schedulerName);
    seen.add(schedulerName);
  }
}

function readProfile(
  given: ProfileConfiguration,
  index: number,
  factories: ReadonlyMap<string, PluginFactory>,
  errors: FieldErrors,
): ProfileConfig {
  const at = path('profiles').index(index);
  const { percentageOfNodesToScore, plugins: sets = {} } = given;
  if (percentageOfNodesToScore !== undefined)
    checkPercentage(percentageOfNodesToScore, at.child('percentageOfNodesToScore'), errors);
  const everywhere = merge(defaultPlugins, sets.multiPoint);
  const byPoint: Partial<Record<Point, readonly string[]>> = {};
  const weights = new Map(everywhere.map(p => [p.name, p.weight || 1]));
  const used = new Map(everywhere.map(p => [p.name, p]));
  for (const point of points) {
    const set = sets[point];
    if (!set) continue;
    const own = set.enabled ?? [];
    const names = new Set(own.map(p => p.name));
    const off = new Set(set.disabled?.map(p => p.name));
    byPoint[point] = [
      ...names,
      ...everywhere.map(p => p.name).filter(n => !names.has(n) && !off.has('*') && !off.has(n)),
    ];
    for (const p of own) {
      used.set(p.name, p);
      if (point === 'score' && p.weight) weights.set(p.name, p.weight);
    }
  }
  const args = new Map(given.pluginConfig?.map(c => [c.name, c.args]));
  const plugins: PluginConfig[] = [];
  for (const name of used.keys()) {
    const create = factories.get(name);
    if (create) plugins.push({ name, create, weight: weights.get(name) ?? 1, args: args.get(name) });
    else errors.invalid(at.child('plugins'), name, `plugin "${name}" does not exist`);
  }
  return {
    schedulerName: given.schedulerName ?? defaultSchedulerName,
    plugins: plugins,
    points: restricted(byPoint, everywhere, used),
    ...(percentageOfNodesToScore === undefined ? {} : { percentageOfNodesToScore }),
  };
}

/** Plugins that were named for single points only take part in no other. */
function restricted(
  byPoint: Partial<Record<Point, readonly string[]>>,
  everywhere: readonly PluginReference[],
  used: ReadonlyMap<string, PluginReference>,
): Partial<Record<Point, readonly string[]>> {
  if (used.size === everywhere.length) return byPoint;
  const names = everywhere.map(p => p.name);
  return Object.fromEntries(points.map(point => [point, byPoint[point] ?? names]));
}

/** The defaults less what is disabled, with the user's own weights in their place, then what is the user's. */
function merge(defaults: readonly PluginReference[], set: PluginSetConfiguration | undefined): PluginReference[] {
  if (!set) return [...defaults];
  const off = new Set(set.disabled?.map(p => p.name));
  const own = new Map(set.enabled?.map(p => [p.name, p]));
  const kept: PluginReference[] = [];
  for (const p of defaults) {
    if (off.has('*') || off.has(p.name)) continue;
    const mine = own.get(p.name);
    kept.push(mine ? { name: p.name, weight: mine.weight || (p.weight ?? 1) } : p);
    own.delete(p.name);
  }
  return [...kept, ...own.values()];
}
