// A whole kubelet on a simulated runtime, a fake API server, files in memory and a clock the test owns.
import type { Draft } from '../api/meta.ts';
import { cloneDeep } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Event, Pod } from '../api/type/core-v1.ts';
import { settle, VirtualClock } from '../base/clock.ts';
import { createLog, type Log, silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { type SimulatedRuntimeOptions, simulatedRuntime } from '../cri/simulated.ts';
import type { MemoryHost } from './host/memory-host.ts';
import { memoryHost } from './host/memory-host.ts';
import { createKubelet, type Kubelet } from './kubelet.ts';
import type { KubeletOptions, MachineInfo } from './option.ts';
import { agreeableNetwork } from './probe/network.ts';

export const testMachine: MachineInfo = {
  machineId: 'machine',
  systemUuid: 'system',
  bootId: 'boot',
  kernelVersion: '6.1.0',
  osImage: 'Test',
  operatingSystem: 'linux',
  architecture: 'amd64',
  cores: 4,
  memoryBytes: 8 * 2 ** 30,
  swapBytes: 0,
  ephemeralStorageBytes: 100 * 2 ** 30,
  hugepages: {},
};

export interface TestNodeOptions extends Partial<KubeletOptions> {
  readonly simulate?: Partial<SimulatedRuntimeOptions>;
  readonly logLevel?: 'debug' | 'info' | 'warn';
}

export interface TestNode {
  readonly clock: VirtualClock;
  readonly client: FakeClient;
  readonly runtime: ContainerRuntime;
  readonly host: MemoryHost;
  kubelet: Kubelet;
  /** Creates the pod as the scheduler leaves it, and lets the kubelet act. */
  createPod(pod: Draft<Pod>): Promise<Pod>;
  getPod(name: string): Promise<Pod>;
  podExists(name: string): Promise<boolean>;
  deletePod(name: string, graceSeconds?: number): Promise<void>;
  /** `reason: message` of events about an object, in order. */
  events(name: string): Promise<readonly string[]>;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  /** A new kubelet on the same runtime, files and API, as after a crash. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const client = fakeClient([], { clock, random });
  const { simulate, logLevel, ...rest } = options;
  const runtime = options.runtime ?? simulatedRuntime({ clock, random, ...simulate });
  const host = memoryHost();
  const log: Log = logLevel ? createLog('kubelet', { level: logLevel, clock }) : silentLog;
  let stopAll: (() => Promise<void>) | undefined;
  const start = async (): Promise<Kubelet> => {
    const informers = createInformerFactory(client, { clock, random, log });
    const kubelet = createKubelet({
      nodeName: 'node-a',
      client,
      informers,
      runtime,
      clock,
      random,
      log,
      host,
      probeNetwork: agreeableNetwork,
      machine: testMachine,
      nodeIps: ['192.0.2.10'],
      clusterDns: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      evictionSignals: async () => ({}),
      ...rest,
    });
    const stop = new AbortController();
    const runs = Promise.all([informers.run(stop.signal), kubelet.run(stop.signal)]);
    stopAll = async () => {
      stop.abort();
      let done = false;
      const ended = runs.finally(() => {
        done = true;
      });
      while (!done) await clock.advance(1000);
      await ended;
    };
    await settle();
    await clock.advance(100);
    return kubelet;
  };
  const node: TestNode = {
    clock,
    client,
    runtime,
    host,
    kubelet: await start(),
    async createPod(pod) {
      const namespace = pod.metadata?.namespace ?? 'default';
      const created = await client.create(
        coreV1.pods,
        cloneDeep({
          kind: 'Pod',
          apiVersion: 'v1',
          ...pod,
          metadata: { namespace, ...pod.metadata },
          spec: { nodeName: 'node-a', ...pod.spec },
          status: { phase: 'Pending' },
        } as unknown as Pod),
      );
      await clock.advance(50);
      return created;
    },
    getPod: name => client.get(coreV1.pods, { namespace: 'default', name }),
    async podExists(name) {
      const list = await client.list(coreV1.pods, { namespace: 'default' });
      return list.items.some(p => p.metadata.name === name);
    },
    async deletePod(name, graceSeconds = 30) {
      await client.delete(coreV1.pods, { namespace: 'default', name }, { gracePeriodSeconds: graceSeconds });
      await clock.advance(50);
    },
    async events(name) {
      const list = await client.list(coreV1.events, {});
      return list.items
        .filter((e: Event) => e.involvedObject.name === name)
        .map((e: Event) => `${e.reason}: ${e.message}`);
    },
    pass: ms => clock.advance(ms),
    async restart() {
      await stopAll?.();
      node.kubelet = await start();
    },
    async stop() {
      await stopAll?.();
    },
  };
  return node;
}
