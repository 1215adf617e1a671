// How fast a target may be scaled: recommendations are held against recent ones, changes against policies and bounds.
import type { HorizontalPodAutoscaler, HPAScalingRules } from '../../../api/type/autoscaling-v2.ts';

export interface Recommendation {
  readonly atMs: number;
  readonly replicas: number;
}

export interface ScaleChange {
  readonly atMs: number;
  /** How many were added or taken away. */
  readonly replicas: number;
}

/** What is remembered about an autoscaler. */
export interface PaceMemory {
  recommendations: readonly Recommendation[];
  ups: readonly ScaleChange[];
  downs: readonly ScaleChange[];
}

/** A condition's reason and message. */
export interface Said {
  readonly reason: string;
  readonly message: string;
}

export interface Paced {
  readonly replicas: number;
  readonly able: Said;
  readonly limited: Said & { readonly is: boolean };
}

export interface PaceInput {
  readonly spec: HorizontalPodAutoscaler['spec'];
  readonly memory: PaceMemory;
  readonly currentReplicas: number;
  /** What the metrics ask for. */
  readonly wantedReplicas: number;
  readonly nowMs: number;
  readonly downscaleStabilizationMs: number;
}

/** How many replicas there are to be; notes the recommendation in the memory. */
export function pace(input: PaceInput): Paced {
  const { spec, wantedReplicas } = input;
  const stabilized = spec.behavior ? stabilizeByRules(input) : stabilizeDown(input);
  const limit = spec.behavior ? limitByRules(input, stabilized.replicas) : limitByDefault(input, stabilized.replicas);
  return {
    replicas: limit.replicas,
    able: stabilized.replicas === wantedReplicas ? ready : stabilized.said,
    limited: { ...limit.said, is: limit.replicas !== stabilized.replicas },
  };
}

const ready: Said = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const downStabilized: Said = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const upStabilized: Said = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};
const tooMany: Said = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
};
const tooFew: Said = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
};
const tooFastUp: Said = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
};
const tooFastDown: Said = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
};
const within: Said = {
  reason: 'DesiredWithinRange',
  message: 'the desired count is within the acceptable range',
};

interface Step {
  readonly replicas: number;
  readonly said: Said;
}

function remember({ memory, wantedReplicas, nowMs }: PaceInput, keepMs: number): void {
  const kept = memory.recommendations.filter(r => r.atMs > nowMs - keepMs);
  memory.recommendations = [...kept, { atMs: nowMs, replicas: wantedReplicas }];
}

/** Without behaviour: down only to the highest recent recommendation. */
function stabilizeDown(input: PaceInput): Step {
  const { memory, wantedReplicas, nowMs, downscaleStabilizationMs } = input;
  const recent = memory.recommendations.filter(r => r.atMs > nowMs - downscaleStabilizationMs);
  const replicas = Math.max(wantedReplicas, ...recent.map(r => r.replicas));
  remember(input, downscaleStabilizationMs);
  return { replicas, said: downStabilized };
}

function stabilizeByRules(input: PaceInput): Step {
  const { spec, memory, wantedReplicas, currentReplicas, nowMs, downscaleStabilizationMs } = input;
  const upMs = (spec.behavior?.scaleUp?.stabilizationWindowSeconds ?? 0) * 1000;
  const downSeconds = spec.behavior?.scaleDown?.stabilizationWindowSeconds;
  const downMs = downSeconds === undefined ? downscaleStabilizationMs : downSeconds * 1000;
  let up = wantedReplicas;
  let down = wantedReplicas;
  for (const { atMs, replicas } of memory.recommendations) {
    if (atMs > nowMs - upMs) up = Math.min(up, replicas);
    if (atMs > nowMs - downMs) down = Math.max(down, replicas);
  }
  const replicas = Math.min(Math.max(currentReplicas, up), down);
  remember(input, Math.max(upMs, downMs));
  return { replicas, said: wantedReplicas >= currentReplicas ? upStabilized : downStabilized };
}

/** Without behaviour: at most double, and four at once from the start. */
function limitByDefault({ spec, currentReplicas }: PaceInput, wanted: number): Step {
  const min = spec.minReplicas ?? 1;
  if (wanted < min) return { replicas: min, said: tooFew };
  const fastest = Math.max(2 * currentReplicas, 4);
  const max = Math.min(spec.maxReplicas, fastest);
  if (wanted > max) return { replicas: max, said: spec.maxReplicas > fastest ? tooFastUp : tooMany };
  return { replicas: wanted, said: within };
}

function limitByRules({ spec, memory, currentReplicas, nowMs }: PaceInput, wanted: number): Step {
  if (wanted > currentReplicas) {
    const fastest = Math.max(currentReplicas, upLimit(currentReplicas, spec.behavior?.scaleUp ?? {}, memory, nowMs));
    const max = Math.min(spec.maxReplicas, fastest);
    if (wanted > max) return { replicas: max, said: spec.maxReplicas > fastest ? tooFastUp : tooMany };
  } else if (wanted < currentReplicas) {
    const least = spec.minReplicas ?? 1;
    const fastest = Math.min(
      currentReplicas,
      downLimit(currentReplicas, spec.behavior?.scaleDown ?? {}, memory, nowMs),
    );
    const min = Math.max(least, fastest);
    if (wanted < min) return { replicas: min, said: least < fastest ? tooFastDown : tooFew };
  }
  return { replicas: wanted, said: within };
}

function startOfPeriod(current: number, { ups, downs }: PaceMemory, periodSeconds: number, nowMs: number): number {
  const cutoff = nowMs - periodSeconds * 1000;
  const total = (changes: readonly ScaleChange[]) =>
    changes.reduce((sum, c) => (c.atMs > cutoff ? sum + c.replicas : sum), 0);
  return current - total(ups) + total(downs);
}

function upLimit(current: number, rules: HPAScalingRules, memory: PaceMemory, nowMs: number): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = startOfPeriod(current, memory, periodSeconds, nowMs);
    return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100));
  });
  return rules.selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits);
}

function downLimit(current: number, rules: HPAScalingRules, memory: PaceMemory, nowMs: number): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = startOfPeriod(current, memory, periodSeconds, nowMs);
    return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100));
  });
  // The policy of the least change is the one that leaves most.
  return rules.selectPolicy === 'Min' ? Math.max(...limits) : Math.min(...limits);
}

const longestPeriodMs = (rules: HPAScalingRules | undefined): number =>
  Math.max(0, ...(rules?.policies ?? []).map(p => p.periodSeconds * 1000));

/** Notes a change that was made, for the policies. */
export function noteChange(
  memory: PaceMemory,
  { behavior }: HorizontalPodAutoscaler['spec'],
  from: number,
  to: number,
  nowMs: number,
): void {
  if (!behavior) return;
  const kept = (changes: readonly ScaleChange[], rules: HPAScalingRules | undefined) =>
    changes.filter(c => c.atMs > nowMs - longestPeriodMs(rules));
  if (to > from) memory.ups = [...kept(memory.ups, behavior.scaleUp), { atMs: nowMs, replicas: to - from }];
  else memory.downs = [...kept(memory.downs, behavior.scaleDown), { atMs: nowMs, replicas: from - to }];
}
