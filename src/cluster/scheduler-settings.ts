// How the scheduler is configured: a KubeSchedulerConfiguration, and plugins from modules of the user's.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { messageOf } from '../base/assert.ts';
import type { KubeSchedulerConfiguration, SchedulerSettings } from '../scheduler/configuration.ts';
import type { PluginFactory } from '../scheduler/framework.ts';

export type PluginFactories = Readonly<Record<string, PluginFactory>>;

/** Given as values. Without a configuration all plugins take part in the one default profile. */
export interface SchedulerChoice {
  readonly configuration?: KubeSchedulerConfiguration;
  readonly plugins?: PluginFactories;
}

/** Given as files. */
export interface SchedulerFiles {
  /** KubeSchedulerConfiguration, YAML or JSON; its pluginModules are relative to it. */
  readonly config?: string;
  /** Modules whose default export is an object of plugin factories by plugin name. */
  readonly plugins?: readonly string[];
}

/** Throws an error that names the file, or the fields that are wrong. */
export async function settingsOf({
  configuration,
  plugins = {},
}: SchedulerChoice): Promise<Partial<SchedulerSettings>> {
  const { readConfiguration } = await import('../scheduler/configuration.ts');
  const names = Object.keys(plugins);
  if (configuration) return readConfiguration(configuration, plugins);
  if (names.length === 0) return {};
  return readConfiguration(
    { profiles: [{ plugins: { multiPoint: { enabled: names.map(name => ({ name })) } } }] },
    plugins,
  );
}

/** The same from files. */
export async function readSchedulerFiles({ config, plugins = [] }: SchedulerFiles): Promise<SchedulerChoice> {
  const configuration = config === undefined ? undefined : readConfigurationFile(config);
  const named = (configuration?.pluginModules ?? []).map(file => resolve(dirname(config!), file));
  const factories: Record<string, PluginFactory> = {};
  for (const file of [...named, ...plugins.map(p => resolve(p))])
    for (const [name, create] of Object.entries(await loadPlugins(file))) {
      if (Object.hasOwn(factories, name)) throw new Error(`loading ${file}: there is another plugin named "${name}"`);
      factories[name] = create;
    }
  return { ...(configuration ? { configuration } : {}), plugins: factories };
}

function readConfigurationFile(file: string): KubeSchedulerConfiguration {
  try {
    const value: unknown = parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error('it must hold one KubeSchedulerConfiguration');
    return value as KubeSchedulerConfiguration;
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

async function loadPlugins(file: string): Promise<PluginFactories> {
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    const found = Object.entries((module.default ?? {}) as Record<string, unknown>);
    if (found.length === 0) throw new Error('its default export must be an object of plugin factories by plugin name');
    for (const [name, create] of found)
      if (typeof create !== 'function') throw new Error(`the factory of plugin "${name}" is no function`);
    return Object.fromEntries(found) as PluginFactories;
  } catch (error) {
    throw new Error(`loading plugins from ${file}: ${messageOf(error)}`, { cause: error });
  }
}
