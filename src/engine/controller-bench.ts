// A bench for tests of controllers: the engine, informers and the fake client on one virtual clock.
import type { Draft, KubeObject } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import type { Controller } from './controller.ts';
import { runControllers } from './engine.ts';

export interface ControllerBench extends AsyncDisposable {
  readonly client: FakeClient;
  readonly clock: VirtualClock;
  /** Lines of the log, at debug level. */
  readonly log: string[];
  /** Lets the controllers do all they do without time passing. */
  settle(): Promise<void>;
  advance(ms: number): Promise<void>;
  /** `Normal SuccessfulCreate: Created pod: x`, in the order of their names. */
  events(): string[];
  stop(): Promise<void>;
}

export interface BenchOptions {
  /** What exists at the start; with kind and apiVersion. */
  objects?: readonly Draft<KubeObject>[];
  seed?: number;
  /** Milliseconds since the epoch at the start. */
  startMs?: number;
  /** Called before the controllers start, to set objects or reactors. */
  prepare?: (client: FakeClient) => void;
}

/** Starts the controllers and lets them settle. `await using bench = await controllerBench([…])` stops them at the end. */
export async function controllerBench(
  controllers: readonly Controller[],
  options: BenchOptions = {},
): Promise<ControllerBench> {
  const { objects = [], seed = 1, startMs, prepare } = options;
  const clock = new VirtualClock(startMs);
  const client = fakeClient(objects, { clock, random: seededRandom(seed) });
  prepare?.(client);
  const lines: string[] = [];
  const log = createLog('bench', { clock, level: 'debug', write: line => lines.push(line) });
  const random = seededRandom(seed);
  const informers = createInformerFactory(client, { clock, random, log });
  const abort = new AbortController();
  // Controllers ask for their informers before the factory starts them, as one does in earnest.
  const running = runControllers(controllers, { client, informers, clock, random, log }, abort.signal);
  const feeding = informers.run(abort.signal);
  const stop = async () => {
    abort.abort();
    await Promise.all([running, feeding]);
  };
  await clock.advance(0);
  return {
    client,
    clock,
    log: lines,
    settle: () => clock.advance(0),
    advance: ms => clock.advance(ms),
    events: () => client.objects(coreV1.events).map(e => `${e.type} ${e.reason}: ${e.message}`),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
