// What /containerLogs is asked for, and which container's log that is.
import { parseTime } from '../../../api/meta.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { type LogFilter, nanosecondsOf } from './cri-log.ts';

export interface LogQuery {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly tailLines?: number;
  readonly filter: LogFilter;
}

const isTrue = (value: string | null) => value !== null && value !== 'false' && value !== '0';
const streams: Readonly<Record<string, LogFilter['stream']>> = { Stdout: 'stdout', Stderr: 'stderr' };

/** Throws RangeError with what is wrong. */
export function readLogQuery(query: URLSearchParams, nowMs: number): LogQuery {
  const number = (name: string, least: number, words: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw new RangeError(`${name}: Invalid value: ${JSON.stringify(text)}: ${words}`);
    return value;
  };
  // The old word for the same; "all" means what its absence does.
  if (query.has('tail') && !query.has('tailLines') && query.get('tail') !== 'all')
    query.set('tailLines', query.get('tail')!);
  const tailLines = number('tailLines', 0, 'must be greater than or equal to 0');
  const bytes = number('limitBytes', 1, 'must be greater than 0');
  const seconds = number('sinceSeconds', 1, 'must be greater than 0');
  const sinceTime = query.get('sinceTime');
  if (seconds !== undefined && sinceTime)
    throw new RangeError('Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified');
  if (sinceTime && parseTime(sinceTime) === undefined)
    throw new RangeError(`sinceTime: Invalid value: ${JSON.stringify(sinceTime)}: must be an RFC 3339 time`);
  const sinceNs =
    seconds !== undefined
      ? BigInt(Math.floor(nowMs - seconds * 1000)) * 1_000_000n
      : sinceTime
        ? nanosecondsOf(sinceTime)
        : undefined;
  const stream = streams[query.get('stream') ?? ''];
  return {
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    ...(tailLines === undefined ? {} : { tailLines }),
    filter: {
      timestamps: isTrue(query.get('timestamps')),
      ...(bytes === undefined ? {} : { bytes }),
      ...(sinceNs === undefined ? {} : { sinceNs }),
      ...(stream ? { stream } : {}),
    },
  };
}

/** `containerd://<id>` of the container whose log it is. Throws RangeError in Kubernetes' words when there is none. */
export function loggedContainer(pod: Pod, container: string, previous: boolean): string {
  const { status, metadata } = pod;
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  const found = statuses.find(s => s.name === container);
  const words = `container ${JSON.stringify(container)} in pod ${JSON.stringify(metadata.name)}`;
  if (!found) throw new RangeError(`${words} is not available`);
  const last = found.lastState?.terminated;
  const { running, terminated, waiting } = found.state ?? {};
  if (previous) {
    if (!last?.containerID) throw new RangeError(`previous terminated ${words} not found`);
    return last.containerID;
  }
  if (running) return found.containerID ?? '';
  if (terminated?.containerID) return terminated.containerID;
  if (terminated || last) {
    if (!last?.containerID) throw new RangeError(`${words} is terminated`);
    return last.containerID;
  }
  if (waiting?.reason === 'ErrImagePull') throw new RangeError(`${words} is waiting to start: image can't be pulled`);
  if (waiting?.reason === 'ImagePullBackOff')
    throw new RangeError(`${words} is waiting to start: trying and failing to pull image`);
  if (waiting) throw new RangeError(`${words} is waiting to start: ${waiting.reason ?? ''}`);
  throw new RangeError(`${words} is waiting to start - no logs yet`);
}
