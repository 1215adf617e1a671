// PodBehaviour: how simulated pods live, fail and answer. Configuration, not an API object (docs/design/0010-simulation.md).
import { parseDuration } from '../duration.ts';

export const podBehaviourVersion = 'k8ts.dev/v1alpha1';

/** `250ms`, `90s`; with `jitter` 0.5 anything from half of it to one and a half times. */
export interface Delay {
  readonly delay?: string;
  /** 0 to 1; default 0. */
  readonly jitter?: number;
}

/** A step that can fail. */
export interface Step extends Delay {
  /** Fails with this text. */
  readonly error?: string;
  /** Of the first so many tries only; always when absent. */
  readonly failures?: number;
}

/** One run of a container; it goes on until it is stopped when there is no `duration`. */
export interface RunBehaviour {
  readonly duration?: string;
  readonly jitter?: number;
  readonly exitCode?: number;
  /** Ends for want of memory: 137, OOMKilled. */
  readonly oom?: boolean;
}

/** What probes hear; those of a port or path only, where these are given. */
export interface ProbeBehaviour {
  readonly port?: number;
  readonly path?: string;
  /** By time since the container's start, in order; success before the first. */
  readonly results: readonly { readonly after: string; readonly result: 'success' | 'failure' }[];
}

export interface PodBehaviour {
  readonly apiVersion: typeof podBehaviourVersion;
  readonly kind: 'PodBehaviour';
  readonly metadata: { readonly name: string };
  readonly spec: {
    /** All that is given must match; all pods when absent. Patterns may end in `*`. */
    readonly selector?: {
      readonly namespaces?: readonly string[];
      readonly matchLabels?: Readonly<Record<string, string>>;
      readonly images?: readonly string[];
      readonly containers?: readonly string[];
    };
    readonly pull?: Step;
    readonly create?: Step;
    readonly start?: Step;
    /** One after the other with each restart; the last one stays. */
    readonly runs?: readonly RunBehaviour[];
    readonly stop?: Delay & { readonly exitCode?: number; readonly ignoresTerm?: boolean };
    readonly probes?: readonly ProbeBehaviour[];
    readonly cpuMilli?: number;
    readonly memoryBytes?: number;
    /** Lines on stdout at each start. */
    readonly logs?: readonly string[];
  };
}

type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | 'duration'
  | readonly [Shape]
  | { readonly [field: string]: Shape }
  | 'map';

const delay = { delay: 'duration', jitter: 'number' } as const;
const step = { ...delay, error: 'string', failures: 'number' } as const;
const shape: Shape = {
  apiVersion: 'string',
  kind: 'string',
  metadata: { name: 'string' },
  spec: {
    selector: { namespaces: ['string'], matchLabels: 'map', images: ['string'], containers: ['string'] },
    pull: step,
    create: step,
    start: step,
    runs: [{ duration: 'duration', jitter: 'number', exitCode: 'number', oom: 'boolean' }],
    stop: { ...delay, exitCode: 'number', ignoresTerm: 'boolean' },
    probes: [{ port: 'number', path: 'string', results: [{ after: 'duration', result: 'string' }] }],
    cpuMilli: 'number',
    memoryBytes: 'number',
    logs: ['string'],
  },
};

/** Throws an error that names the field for anything that is not exactly a PodBehaviour. */
export function checkPodBehaviour(value: unknown): PodBehaviour {
  const behaviour = value as PodBehaviour;
  if (behaviour?.kind !== 'PodBehaviour' || behaviour.apiVersion !== podBehaviourVersion)
    throw new Error(`reading PodBehaviour: want apiVersion: ${podBehaviourVersion}, kind: PodBehaviour`);
  check(value, shape, '');
  if (!behaviour.metadata?.name) throw new Error('reading PodBehaviour: metadata.name is missing');
  if (!behaviour.spec) throw new Error('reading PodBehaviour: spec is missing');
  for (const { results } of behaviour.spec.probes ?? [])
    for (const { result } of results ?? [])
      if (result !== 'success' && result !== 'failure')
        throw new Error(`reading PodBehaviour: spec.probes: ${JSON.stringify(result)} is neither success nor failure`);
  return behaviour;
}

function check(value: unknown, want: Shape, at: string): void {
  const refuse = (what: string) => {
    throw new Error(`reading PodBehaviour: ${at || 'it'} is ${JSON.stringify(value)}: want ${what}`);
  };
  if (want === 'duration') {
    if (typeof value !== 'string') return void refuse('a duration like 90s');
    parseDuration(value);
  } else if (typeof want === 'string' && want !== 'map') {
    if (typeof value !== want) refuse(`a ${want}`);
    if (typeof value === 'number' && !(value >= 0)) refuse('a number not below 0');
    if (at.endsWith('jitter') && (value as number) > 1) refuse('a number from 0 to 1');
  } else if (Array.isArray(want)) {
    if (!Array.isArray(value)) return void refuse('a list');
    for (const [i, item] of value.entries()) check(item, want[0], `${at}[${i}]`);
  } else {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return void refuse('an object');
    for (const [name, item] of Object.entries(value)) {
      const inner = want === 'map' ? 'string' : (want as { [field: string]: Shape })[name];
      if (!inner) throw new Error(`reading PodBehaviour: there is no field ${at ? `${at}.` : ''}${name}`);
      check(item, inner, at ? `${at}.${name}` : name);
    }
  }
}
