// POST /checkpoint/<namespace>/<pod>/<container>: the runtime writes a running container into an archive.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTime } from '../../api/meta.ts';
import { messageOf } from '../../base/assert.ts';
import { HttpError } from './http-error.ts';
import { answerJson, findPod, type Route, type RouteContext } from './route.ts';

export function checkpointRoute(context: RouteContext): Route {
  const { kubelet, clock } = context;
  return async ({ response, segments, query }) => {
    const [, namespace = '', name = '', container = ''] = segments;
    const pod = findPod(context, namespace, name);
    const running = kubelet.container(pod, container);
    if (running?.state !== 'running') throw new HttpError(404, `container ${container} does not exist`);
    const timeout = secondsOf(query.get('timeout'));
    const directory = join(kubelet.rootDirectory, 'checkpoints');
    const location = join(directory, `checkpoint-${name}_${namespace}-${container}-${formatTime(clock.now())}.tar`);
    try {
      // It holds what the container had in memory.
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await kubelet.runtime.CheckpointContainer({ container_id: running.id, location, timeout });
    } catch (error) {
      const what = `${namespace}/${name}/${container}`;
      throw new HttpError(500, `checkpointing of ${what} failed (${messageOf(error)})`);
    }
    answerJson(response, { items: [location] });
  };
}

/** 0: the runtime's own. */
function secondsOf(text: string | null): number {
  if (!text) return 0;
  if (!/^[0-9]+$/.test(text)) throw new HttpError(400, 'cannot parse value of timeout parameter');
  return Number(text);
}
