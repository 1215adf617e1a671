// GET /containerLogs/<namespace>/<pod>/<container>.
import { stat } from 'node:fs/promises';
import { messageOf } from '../../base/assert.ts';
import { latestContainer, type ObservedContainer } from '../kernel/observed.ts';
import { HttpError } from './http-error.ts';
import { type LogQuery, loggedContainer, readLogQuery } from './kernel/log-query.ts';
import { readLogFile } from './log-file.ts';
import { answerStream, containerNames, findPod, type Route, type RouteContext } from './route.ts';

export function containerLogRoute(context: RouteContext): Route {
  const { kubelet, clock, signal } = context;
  return async asked => {
    const [, namespace = '', name = '', container = ''] = asked.segments;
    if (!namespace) throw new HttpError(400, '{"message": "Missing podNamespace."}');
    if (!name) throw new HttpError(400, '{"message": "Missing podID."}');
    if (!container) throw new HttpError(400, '{"message": "Missing container name."}');
    const query = readQuery(asked.query);
    const pod = findPod(context, namespace, name);
    if (!containerNames(pod).includes(container))
      throw new HttpError(404, `container ${JSON.stringify(container)} not found in pod ${JSON.stringify(name)}`);
    const id = idOf(() => loggedContainer(pod, container, query.previous));
    const path = pathOf(kubelet.observed(pod)?.containers.find(c => c.id === id)) ?? (await askRuntime(id));
    // While an error can still be told.
    await stat(path).catch(error => {
      throw new HttpError(500, `failed to open log file ${JSON.stringify(path)}: ${messageOf(error)}`);
    });
    const gone = new AbortController();
    asked.response.once('close', () => gone.abort());
    const lines = readLogFile({
      path,
      follow: query.follow,
      ...(query.tailLines === undefined ? {} : { tailLines: query.tailLines }),
      filter: query.filter,
      clock,
      isRunning: () => isRunning(id),
      signal: AbortSignal.any([gone.signal, signal]),
    });
    await answerStream(asked, 200, {}, lines);

    function isRunning(of: string): boolean {
      const observed = kubelet.observed(pod);
      const own = observed?.containers.find(c => c.id === of);
      const latest = observed && latestContainer(observed, container);
      return own !== undefined && own.state === 'running' && (latest === undefined || latest.id === of);
    }
  };

  function readQuery(query: URLSearchParams): LogQuery {
    try {
      return readLogQuery(query, clock.now());
    } catch (error) {
      throw new HttpError(422, JSON.stringify({ message: messageOf(error) }), {}, { cause: error });
    }
  }

  async function askRuntime(id: string): Promise<string> {
    const { status } = await kubelet.runtime.ContainerStatus({ container_id: id });
    if (!status?.log_path) throw new HttpError(500, `failed to get log path of container ${JSON.stringify(id)}`);
    return status.log_path;
  }
}

const pathOf = (container: ObservedContainer | undefined) => container?.logPath || undefined;

function idOf(find: () => string): string {
  try {
    return find().replace(/^[^:]*:\/\//, '');
  } catch (error) {
    throw new HttpError(400, messageOf(error), {}, { cause: error });
  }
}
