// The condition Dangling of FlowSchemas: whether the priority level they name is there.
import { formatTime } from '../../api/meta.ts';
import { flowcontrolV1 } from '../../api/refs.ts';
import { isConflict, isNotFound } from '../../api/status.ts';
import type { FlowSchema } from '../../api/type/flowcontrol-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { WatchCache } from '../registry/watch-cache.ts';

export interface FlowCaches {
  readonly schemas: Pick<WatchCache, 'snapshot' | 'listen'>;
  readonly levels: Pick<WatchCache, 'get' | 'listen'>;
}

type Condition = NonNullable<NonNullable<FlowSchema['status']>['conditions']>[number];

function wanted(levelName: string, found: boolean): Omit<Condition, 'lastTransitionTime'> {
  const about = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(levelName)}`;
  return found
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${about} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${about} but there is no such object` };
}

/** Sets the condition where it is not as it should be; resolves when every schema says what is. */
export async function settleDangling(client: Client, { schemas, levels }: FlowCaches, clock: Clock): Promise<void> {
  const due: Promise<void>[] = [];
  schemas.snapshot().scan('', undefined, stored => {
    const schema = stored.object as FlowSchema;
    const { name } = schema.spec!.priorityLevelConfiguration;
    const condition = wanted(name, levels.get(name) !== undefined);
    const now = schema.status?.conditions?.find(c => c.type === 'Dangling');
    if (now?.status !== condition.status || now?.message !== condition.message)
      due.push(
        write(client, schema, condition, now?.status === condition.status ? now?.lastTransitionTime : undefined, clock),
      );
    return undefined;
  });
  await Promise.all(due);
}

async function write(
  client: Client,
  { metadata }: FlowSchema,
  condition: Omit<Condition, 'lastTransitionTime'>,
  since: string | undefined,
  clock: Clock,
): Promise<void> {
  const { type, status, reason, message } = condition;
  const lastTransitionTime = since ?? formatTime(clock.now());
  const body = {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name: metadata.name },
    status: { conditions: [{ type, status, lastTransitionTime, reason, message }] },
  };
  try {
    await client.patch(
      flowcontrolV1.flowschemas,
      { name: metadata.name },
      { type: 'apply', body, force: true },
      { subresource: 'status', fieldManager: 'api-priority-and-fairness-config-consumer-v1' },
    );
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
