// From PodBehaviours to what the simulated runtime of a node asks for: the first that matches decides.
import type { Random } from '../../base/random.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { SimulatedRuntimeOptions } from '../../cri/simulated.ts';
import type { ContainerBehaviour } from '../../cri/simulated-container.ts';
import type { ContainerConfig, PodSandboxConfig } from '../../cri/type.ts';
import { parseDuration } from '../duration.ts';
import type { Delay, PodBehaviour, Step } from './pod-behaviour.ts';

type Spec = PodBehaviour['spec'];

/** The behaviour of one node's pods. Counts tries, so that first ones can fail. */
export function behaviourOf(
  behaviours: readonly PodBehaviour[],
  random: Random,
): Pick<SimulatedRuntimeOptions, 'behaviour' | 'pull'> {
  if (behaviours.length === 0) return {};
  const tries = new Map<string, number>();
  const find = (sandbox: PodSandboxConfig, image: string, container: string | undefined): Spec | undefined =>
    behaviours.find(b => matches(b.spec, sandbox, image, container))?.spec;
  /** The error of this try, if it is one that fails. */
  const errorOf = (step: Step | undefined, id: string): string | undefined => {
    if (step?.error === undefined) return undefined;
    const count = (tries.get(id) ?? 0) + 1;
    tries.set(id, count);
    return count <= (step.failures ?? Number.POSITIVE_INFINITY) ? step.error : undefined;
  };
  return {
    pull(image, sandbox = {}) {
      const spec = find(sandbox, image, undefined);
      const message = errorOf(spec?.pull, `pull ${sandbox.metadata?.uid} ${image}`);
      return {
        delayMs: delayMs(spec?.pull, random),
        ...(message === undefined ? {} : { error: new RuntimeError('PullImage', 'Unknown', message) }),
      };
    },
    behaviour(config, sandbox) {
      const spec = find(sandbox, imageOf(config), config.metadata?.name);
      if (!spec) return {};
      const of = `${sandbox.metadata?.uid} ${config.metadata?.name}`;
      return {
        ...containerBehaviour(spec, config.metadata?.attempt ?? 0, random),
        ...optional('createError', errorOf(spec.create, `create ${of}`)),
        ...optional('startError', errorOf(spec.start, `start ${of}`)),
      };
    },
  };
}

function containerBehaviour(spec: Spec, attempt: number, random: Random): ContainerBehaviour {
  const { runs = [], stop, logs, cpuMilli, memoryBytes } = spec;
  const run = runs[Math.min(attempt, runs.length - 1)];
  return {
    createDelayMs: delayMs(spec.create, random),
    startDelayMs: delayMs(spec.start, random),
    ...(run?.duration ? { exitAfterMs: delayMs({ delay: run.duration, jitter: run.jitter ?? 0 }, random) } : {}),
    ...optional('exitCode', run?.exitCode),
    ...optional('oom', run?.oom),
    stopDelayMs: delayMs(stop, random),
    ...optional('stopExitCode', stop?.exitCode),
    ...optional('ignoresTerm', stop?.ignoresTerm),
    ...optional('logs', logs),
    ...optional('cpuMilli', cpuMilli),
    ...optional('memoryBytes', memoryBytes),
    ...(spec.probes
      ? {
          probes: spec.probes.map(({ port, path, results }) => ({
            ...optional('port', port),
            ...optional('path', path),
            results: results.map(({ after, result }) => ({
              afterMs: parseDuration(after),
              fails: result === 'failure',
            })),
          })),
        }
      : {}),
  };
}

const optional = <K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } =>
  (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };

function delayMs(step: Delay | undefined, random: Random): number {
  const ms = step?.delay ? parseDuration(step.delay) : 0;
  return step?.jitter ? Math.round(ms * (1 + step.jitter * (2 * random.next() - 1))) : ms;
}

const imageOf = (config: ContainerConfig): string => config.image?.user_specified_image || config.image?.image || '';

const fits = (pattern: string, text: string): boolean =>
  pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text;

/** `container` is absent while its image is pulled. */
function matches({ selector = {} }: Spec, sandbox: PodSandboxConfig, image: string, container?: string): boolean {
  const { namespaces, matchLabels, images, containers } = selector;
  const { labels = {} } = sandbox;
  if (namespaces && !namespaces.some(n => fits(n, sandbox.metadata?.namespace ?? ''))) return false;
  if (images && !images.some(i => fits(i, image))) return false;
  if (containers && container !== undefined && !containers.includes(container)) return false;
  return Object.entries(matchLabels ?? {}).every(([k, v]) => labels[k] === v);
}
