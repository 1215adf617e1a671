// A profile before its plugins are made.
import type { PluginFactory } from './framework.ts';
import { defaultPlugins } from './plugin/default-plugins.ts';
import type { Point } from './profile.ts';

export const defaultSchedulerName = 'default-scheduler';

export interface PluginConfig {
  readonly name: string;
  readonly create: PluginFactory;
  readonly weight: number;
  readonly args?: unknown;
}

export interface ProfileConfig {
  readonly schedulerName: string;
  /** In order. */
  readonly plugins: readonly PluginConfig[];
  /** Points a plugin takes part in; default all it has. */
  readonly enabled?: (point: Point, plugin: string) => boolean;
  readonly percentageOfNodesToScore?: number;
}

export const defaultProfile = (): ProfileConfig => ({ schedulerName: defaultSchedulerName, plugins: defaultPlugins });
