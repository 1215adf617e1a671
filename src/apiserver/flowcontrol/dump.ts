// What stands behind /debug/api_priority_and_fairness/: levels, queues and requests as tables with commas.
import type { Clock } from '../../base/clock.ts';
import type { PathHandler } from '../handler.ts';
import type { FlowControl } from './flow-control.ts';
import { guessMs } from './kernel/level.ts';
import type { LevelState } from './level-state.ts';
import type { Pass } from './pass.ts';

const prefix = '/debug/api_priority_and_fairness/';

export function dumpPaths(control: FlowControl, clock: Clock): PathHandler {
  return exchange => {
    const { path, query } = exchange;
    if (!path.startsWith(prefix)) return false;
    control.refresh();
    const rows =
      path === `${prefix}dump_priority_levels`
        ? levelRows(control.levels)
        : path === `${prefix}dump_queues`
          ? queueRows(control.levels)
          : path === `${prefix}dump_requests`
            ? requestRows(control.levels, clock, query.has('includeRequestDetails'))
            : undefined;
    if (!rows) return false;
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache, private' };
    exchange.respond(200, headers, table(rows));
    return true;
  };
}

type Row = readonly (string | number | boolean)[];

/** Columns stand below each other, of eight characters at least; a comma behind each cell but the last. */
function table(rows: readonly Row[]): string {
  const cells = rows.map(row => row.map((cell, i) => (i < row.length - 1 ? `${cell},` : String(cell))));
  const last = cells[0]!.length - 1;
  const widths = cells[0]!.map((_, i) => (i < last ? Math.max(7, ...cells.map(row => row[i]!.length)) + 1 : 0));
  return cells.map(row => `${row.map((c, i) => c.padEnd(widths[i]!)).join('')}\n`).join('');
}

function levelRows(states: readonly LevelState[]): Row[] {
  const head = [
    'PriorityLevelName',
    'ActiveQueues',
    'IsIdle',
    'IsQuiescing',
    'WaitingRequests',
    'ExecutingRequests',
    'DispatchedRequests',
    'RejectedRequests',
    'TimedoutRequests',
    'CancelledRequests',
  ];
  return [
    head,
    ...states.map(({ level, quiescing }) => [
      level.name,
      level.activeQueues,
      level.idle,
      quiescing,
      level.waiting,
      level.executing,
      level.dispatched,
      // Who gives up has left its queue, and been refused, whatever the reason.
      level.rejected + level.timedOut + level.cancelled,
      0,
      level.timedOut + level.cancelled,
    ]),
  ];
}

const seatSeconds = (seatMs: number) => `${(seatMs / 1000).toFixed(8)}ss`;

function queueRows(states: readonly LevelState[]): Row[] {
  const head = [
    'PriorityLevelName',
    'Index',
    'PendingRequests',
    'ExecutingRequests',
    'SeatsInUse',
    'NextDispatchR',
    'InitialSeatsSum',
    'MaxSeatsSum',
    'TotalWorkSum',
  ];
  return [
    head,
    ...states.flatMap(({ level }) =>
      level.queues.map(q => [
        level.name,
        q.index,
        q.length,
        q.executing,
        q.seatsInUse,
        seatSeconds(q.nextStart),
        q.waitingInitialSeats,
        q.waitingSeats,
        seatSeconds(q.waitingInitialSeats * guessMs + q.waitingExtra),
      ]),
    ),
  ];
}

function requestRows(states: readonly LevelState[], clock: Clock, details: boolean): Row[] {
  const head = [
    'PriorityLevelName',
    'FlowSchemaName',
    'QueueIndex',
    'RequestIndexInQueue',
    'FlowDistingsher',
    'ArriveTime',
    'InitialSeats',
    'FinalSeats',
    'AdditionalLatency',
    'StartTime',
    ...(details ? ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'] : []),
  ];
  const startedAtMs = clock.now() - clock.monotonic();
  const row = ({ level }: LevelState, pass: Pass, index: number): Row => [
    level.name,
    pass.flow.schema.object.metadata.name,
    pass.queue?.index ?? -1,
    index,
    pass.queue ? pass.flow.distinguisher : '',
    new Date(startedAtMs + pass.arrivedMs).toISOString(),
    pass.initialSeats,
    pass.finalSeats,
    `${pass.extraMs}${pass.extraMs ? 'ms' : 's'}`,
    index < 0 ? new Date(startedAtMs + pass.startedMs).toISOString() : '0001-01-01T00:00:00Z',
    ...(details ? detailsOf(pass) : []),
  ];
  return [
    head,
    ...states.flatMap(state => [
      ...[...state.level.running()].map(pass => row(state, pass as Pass, -1)),
      ...state.level.queues.flatMap(q => [...q].map((pass, i) => row(state, pass as Pass, i))),
    ]),
  ];
}

const detailsOf = ({ info, user }: Pass): Row => [
  user.name,
  info.verb,
  info.path,
  info.namespace,
  info.name,
  info.group ? `${info.group}/${info.version}` : info.version,
  info.resource,
  info.subresource,
];
