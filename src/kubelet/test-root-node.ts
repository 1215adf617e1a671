// A whole kubelet on a real containerd, real files and mounts; the API server is a fake. Needs root.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type FakeClient, fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { startTestContainerd, type TestContainerd } from '../cri/test-containerd.ts';
import { createKubelet, type Kubelet } from './kubelet.ts';
import { linuxPodCgroups } from './linux-cgroups.ts';
import type { KubeletOptions } from './option.ts';

export interface RootNode {
  /** Everything of the test's own lies below it. */
  readonly root: string;
  readonly client: FakeClient;
  readonly containerd: TestContainerd;
  /** The one that runs now. */
  readonly kubelet: Kubelet;
  /** Ends the kubelet and starts another on the same files; containers run on. */
  restart(): Promise<void>;
  /** In namespace default. */
  get(name: string): Pod | undefined;
  /** Polls; rejects after `seconds` with what pods and events say. */
  until<T>(what: string, probe: () => Promise<T | undefined | false>, seconds?: number): Promise<T>;
  dispose(): Promise<void>;
}

export async function startRootNode(
  options: (root: string) => Partial<KubeletOptions> = () => ({}),
): Promise<RootNode> {
  const root = mkdtempSync(join(tmpdir(), 'k8ts-kubelet-'));
  const containerd = await startTestContainerd();
  // A clock that stands still: the fake's watch time-outs would outlive the test.
  const client = fakeClient([], { clock: new VirtualClock(systemClock.now()), random: systemRandom });
  const start = () => startKubelet(client, containerd, root, options(root));
  let run = await start();
  return {
    root,
    client,
    containerd,
    get kubelet() {
      return run.kubelet;
    },
    async restart() {
      await run.stop();
      run = await start();
    },
    get: name => client.object(coreV1.pods, { namespace: 'default', name }),
    until: (what, probe, seconds = 30) => until(client, what, probe, seconds),
    async dispose() {
      await run.stop();
      await containerd.dispose();
      for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n').reverse()) {
        const point = line.split(' ')[4];
        if (point?.startsWith(root)) execFileSync('umount', ['-l', point]);
      }
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function startKubelet(
  client: FakeClient,
  containerd: TestContainerd,
  root: string,
  options: Partial<KubeletOptions>,
) {
  const log = createLog('kubelet', { level: 'warn' });
  const abort = new AbortController();
  const informers = createInformerFactory(client, { clock: systemClock, random: systemRandom, log });
  const kubelet = createKubelet({
    ...{ nodeName: 'node-a', client, informers, runtime: containerd.runtime, clock: systemClock, random: systemRandom },
    ...{ log, rootDirectory: join(root, 'kubelet'), podLogsDirectory: join(root, 'pods') },
    clusterDns: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    nodeIps: ['192.0.2.10'],
    cgroups: linuxPodCgroups(containerd.cgroups),
    failSwapOn: false,
    evictionSignals: async () => ({}),
    ...options,
  });
  const runs = Promise.all([informers.run(abort.signal), kubelet.run(abort.signal)]);
  const stop = async () => {
    abort.abort();
    await runs;
  };
  await kubelet.ready();
  return { kubelet, stop };
}

async function until<T>(
  client: FakeClient,
  what: string,
  probe: () => Promise<T | undefined | false>,
  seconds: number,
): Promise<T> {
  const endMs = systemClock.monotonic() + seconds * 1000;
  for (;;) {
    let failure: unknown;
    const value = await probe().catch(error => {
      failure = error;
      return undefined;
    });
    if (value !== undefined && value !== false) return value;
    if (systemClock.monotonic() > endMs) {
      const pods = client.objects(coreV1.pods).map(p => JSON.stringify(p.status));
      const events = client.objects(coreV1.events).map(e => `${e.reason}: ${e.message}`);
      throw new Error(`${what} did not come about\n${pods.join('\n')}\n${events.join('\n')}`, { cause: failure });
    }
    await systemClock.sleep(50);
  }
}
