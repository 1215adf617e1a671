// What the PodSecurity plugin is told for the whole cluster: standards for namespaces that name none, and whom it lets be.
import type { Level } from './kernel/checks.ts';

export type Mode = 'enforce' | 'audit' | 'warn';
export const modes: readonly Mode[] = ['enforce', 'audit', 'warn'];
export const levels: readonly string[] = ['privileged', 'baseline', 'restricted'];

export interface Policy {
  readonly level: Level;
  /** `latest` or `v1.x`. */
  readonly version: string;
}

export interface PodSecuritySettings {
  readonly defaults: Readonly<Record<Mode, Policy>>;
  readonly exemptions: {
    readonly usernames: readonly string[];
    readonly namespaces: readonly string[];
    readonly runtimeClasses: readonly string[];
  };
}

export const isVersion = (version: string): boolean => version === 'latest' || /^v1\.(0|[1-9]\d*)$/.test(version);

const lenient: Policy = { level: 'privileged', version: 'latest' };

export const usualSettings: PodSecuritySettings = {
  defaults: { enforce: lenient, audit: lenient, warn: lenient },
  exemptions: { usernames: [], namespaces: [], runtimeClasses: [] },
};
