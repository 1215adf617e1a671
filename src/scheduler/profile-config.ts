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
  /** Names of a point's plugins, in order; a point that is not named has all that can take part. */
  readonly points?: Partial<Record<Point, readonly string[]>>;
  readonly percentageOfNodesToScore?: number;
}

export const defaultProfile = (): ProfileConfig => ({ schedulerName: defaultSchedulerName, plugins: defaultPlugins });
