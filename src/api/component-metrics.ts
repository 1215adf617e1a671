// What every component of Kubernetes tells of itself: its build and the features that are on.
import type { Metrics } from '../base/metrics.ts';
import { allFeatureGates } from './feature-gates.ts';

export interface BuildInfo {
  readonly major: string;
  readonly minor: string;
  readonly gitVersion: string;
  readonly gitCommit: string;
  readonly gitTreeState: string;
  readonly buildDate: string;
  readonly goVersion: string;
  readonly compiler: string;
  readonly platform: string;
}

/** Of a component that runs by itself: what there is to tell of a program of Node. */
export function nodeBuild(gitVersion: string): BuildInfo {
  return {
    major: '1',
    minor: '36',
    gitVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node${process.versions.node}`,
    compiler: 'v8',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}

export function reportComponent(metrics: Metrics, build: BuildInfo, featureEnabled: (gate: string) => boolean): void {
  metrics.source(
    'kubernetes_build_info',
    "[ALPHA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
    'gauge',
    () => [
      {
        labels: {
          build_date: build.buildDate,
          compiler: build.compiler,
          git_commit: build.gitCommit,
          git_tree_state: build.gitTreeState,
          git_version: build.gitVersion,
          go_version: build.goVersion,
          major: build.major,
          minor: build.minor,
          platform: build.platform,
        },
        value: 1,
      },
    ],
  );
  metrics.source(
    'kubernetes_feature_enabled',
    '[BETA] This metric records the data about the stage and enablement of a k8s feature.',
    'gauge',
    () =>
      allFeatureGates().map(({ name, stage }) => ({
        labels: { name, stage: stage === 'GA' ? '' : stage.toUpperCase() },
        value: featureEnabled(name) ? 1 : 0,
      })),
  );
  metrics.source(
    'registered_metrics_total',
    '[BETA] The count of registered metrics broken by stability level and deprecation version.',
    'counter',
    () => registered(metrics.helps()),
  );
}

/** By the word their texts begin with; without one they are of the lowest level. */
function registered(helps: readonly string[]): { labels: Record<string, string>; value: number }[] {
  const counts = new Map<string, number>();
  for (const help of helps) {
    const level = /^\[(\w+)\]/.exec(help)?.[1] ?? 'ALPHA';
    counts.set(level, (counts.get(level) ?? 0) + 1);
  }
  return [...counts].map(([level, value]) => ({ labels: { deprecated_version: '', stability_level: level }, value }));
}
