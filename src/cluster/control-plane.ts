// The API server and the parts around it, run together.
import type { ApiServer } from '../apiserver/server.ts';
import { messageOf } from '../base/assert.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { controlPlaneParts, type Part } from './components.ts';
import { electedPart, leaseOf } from './elected-part.ts';

/** How a part is brought to life; fault injection puts itself in between. */
export type MakePart = (part: Part<ControlPlaneContext>, context: ControlPlaneContext) => Promise<Service>;

/** Runs until the signal aborts; rejects when the API server or a part, which it names, cannot go on. */
export async function runControlPlane(
  api: Pick<ApiServer, 'run' | 'ready'>,
  context: ControlPlaneContext,
  signal: AbortSignal,
  make: MakePart = (part, given) => part.create(given),
): Promise<void> {
  const { components } = context.config;
  const unknown = components?.find(name => !controlPlaneParts.some(part => part.name === name));
  if (unknown !== undefined)
    throw new Error(
      `components: there is no ${JSON.stringify(unknown)}; there are ${controlPlaneParts.map(p => p.name).join(', ')}`,
    );
  const chosen = controlPlaneParts.filter(part => components?.includes(part.name) ?? true);
  const elect = context.config.leaderElect ?? context.config.store?.type === 'etcd';
  // One in a turn of the loop: who waits for the API server to be ready is answered in between.
  let turn: Promise<unknown> = api.ready.catch(() => {});
  const parts = chosen.map(part => {
    const create = (given = context) => make(part, given);
    const lease = elect ? leaseOf[part.name] : undefined;
    turn = turn.then(() => new Promise(resolve => setImmediate(resolve)));
    return inTurn(part.name, turn, async () => (lease ? electedPart(part.name, lease, context, create) : create()));
  });
  await runAll([{ name: 'apiserver', run: s => api.run(s) }, ...parts, idle], signal);
}

// Keeps runAll going when there is nothing but the API server, which ends by itself on the signal.
const idle: Service = { name: 'idle', run: aborted };

// Loading a part's code would keep the API server from being ready.
function inTurn(name: string, turn: Promise<unknown>, create: () => Promise<Service>): Service {
  return {
    name,
    async run(signal) {
      await Promise.race([turn, aborted(signal)]);
      if (signal.aborted) return;
      const service = await named(`starting the part ${JSON.stringify(name)}`, create());
      if (!signal.aborted) await named(`running the part ${JSON.stringify(name)}`, service.run(signal));
    },
  };
}

async function named<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error });
  }
}
