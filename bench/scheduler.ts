// Pods a second that the scheduler places: `node bench/scheduler.ts [nodes] [pods] [shape]`, on the fake client.
// Shapes: plain (one ReplicaSet's pods), varied (each pod asks for something else), spread (DoNotSchedule over zones),
// anti (required anti-affinity to their like by host), dra (a claim of one device each, ten devices a node).
import type { Draft } from '../src/api/meta.ts';
import { coreV1, resourceV1 } from '../src/api/refs.ts';
import type { Node, Pod } from '../src/api/type/core-v1.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { seededRandom } from '../src/base/random.ts';
import { fakeClient } from '../src/client/fake-client.ts';
import { createInformerFactory } from '../src/client/informer-factory.ts';
import { Algorithm } from '../src/scheduler/algorithm.ts';
import { CycleState } from '../src/scheduler/framework.ts';
import { podInfoOf } from '../src/scheduler/pod-info.ts';
import { createScheduler } from '../src/scheduler/scheduler.ts';

type Shape = 'plain' | 'varied' | 'spread' | 'anti' | 'dra';

const [nodes = 1000, pods = 5000] = process.argv.slice(2, 4).map(Number);
const shape = (process.argv[4] ?? 'plain') as Shape;

const nodeOf = (i: number): Draft<Node> => ({
  kind: 'Node',
  apiVersion: 'v1',
  metadata: {
    name: `node-${i}`,
    labels: { 'kubernetes.io/hostname': `node-${i}`, 'topology.kubernetes.io/zone': `zone-${i % 3}` },
  },
  spec: {},
  status: { allocatable: { cpu: '32', memory: '128Gi', pods: '110' } },
});

function podOf(i: number): Draft<Pod> {
  const labels = { app: 'bench' };
  const labelSelector = { matchLabels: labels };
  const zone = 'topology.kubernetes.io/zone';
  const requests =
    shape === 'varied' ? { cpu: `${1 + (i % 400)}m`, memory: `${1 + (i % 300)}Mi` } : { cpu: '100m', memory: '100Mi' };
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name: `pod-${i}`,
      namespace: 'default',
      uid: `uid-${i}`,
      labels,
      ownerReferences: [{ kind: 'ReplicaSet', apiVersion: 'apps/v1', name: 'bench', uid: 'rs', controller: true }],
    },
    spec: {
      containers: [{ name: 'c', image: 'busybox', resources: { requests } }],
      ...(shape === 'spread'
        ? {
            topologySpreadConstraints: [
              { maxSkew: 5, topologyKey: zone, whenUnsatisfiable: 'DoNotSchedule', labelSelector },
            ],
          }
        : {}),
      ...(shape === 'dra' ? { resourceClaims: [{ name: 'gpu', resourceClaimName: `claim-${i}` }] } : {}),
      ...(shape === 'anti'
        ? {
            affinity: {
              podAntiAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: [
                  { topologyKey: 'kubernetes.io/hostname', labelSelector },
                ],
              },
            },
          }
        : {}),
    },
    status: { phase: 'Pending' },
  };
}

const replicaSet = {
  kind: 'ReplicaSet',
  apiVersion: 'apps/v1',
  metadata: { name: 'bench', namespace: 'default', uid: 'rs' },
  spec: { selector: { matchLabels: { app: 'bench' } } },
};

const apiVersion = 'resource.k8s.io/v1';
const driver = 'gpu.example.com';
const cel = { expression: `device.attributes["${driver}"].model == "large"` };
const deviceClass = { kind: 'DeviceClass', apiVersion, metadata: { name: 'gpu' }, spec: { selectors: [{ cel }] } };
const sliceOf = (i: number) => ({
  kind: 'ResourceSlice',
  apiVersion,
  metadata: { name: `slice-${i}` },
  spec: {
    driver,
    nodeName: `node-${i}`,
    pool: { name: `node-${i}`, generation: 1, resourceSliceCount: 1 },
    devices: Array.from({ length: 10 }, (_, d) => ({
      name: `gpu-${d}`,
      attributes: { model: { string: 'large' }, index: { int: d } },
      capacity: { memory: { value: '40Gi' } },
    })),
  },
});
const claimOf = (i: number) => ({
  metadata: { name: `claim-${i}`, namespace: 'default', uid: `claim-uid-${i}` },
  spec: {
    devices: {
      requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount' as const, count: 1 } }],
    },
  },
  status: {},
});

const client = fakeClient([replicaSet, ...Array.from({ length: nodes }, (_, i) => nodeOf(i))], { clock: systemClock });
const random = seededRandom(1);
const informers = createInformerFactory(client, { clock: systemClock, random, log: silentLog });
const scheduler = createScheduler({ client, informers, clock: systemClock, random, log: silentLog });
const abort = new AbortController();
const running = Promise.all([scheduler.run(abort.signal), informers.run(abort.signal)]);
if (shape === 'dra') {
  client.set(resourceV1.deviceclasses, deviceClass);
  for (let i = 0; i < nodes; i++) client.set(resourceV1.resourceslices, sliceOf(i));
  for (let i = 0; i < 2 * pods; i++) client.set(resourceV1.resourceclaims, claimOf(i));
}
await informers.whenSynced();
for (let i = 0; i < pods; i++) client.set(coreV1.pods, podOf(i));

const started = performance.now();
while (
  scheduler.cache.podCount < pods &&
  performance.now() - started < 120_000 &&
  scheduler.queue.sizes.unschedulable === 0
)
  await new Promise(resolve => setImmediate(resolve));
const seconds = (performance.now() - started) / 1000;
const placed = scheduler.cache.podCount;
console.log(
  `${shape}: ${nodes} nodes, ${placed} of ${pods} pods in ${seconds.toFixed(2)} s: ${Math.round(placed / seconds)} pods/s with binding`,
);

// The cycle alone: filter, score, assume, with what has been placed above in place.
const algorithm = new Algorithm({ cache: scheduler.cache, nominated: scheduler.queue.nominator, random });
const profile = scheduler.profile('default-scheduler')!;
const more = Math.min(pods, 5000);
const from = performance.now();
let done = 0;
for (let i = 0; i < more; i++) {
  const info = podInfoOf(podOf(pods + i) as Pod);
  const placement = algorithm.schedule(profile, new CycleState(), info);
  if (!('node' in placement)) continue;
  scheduler.cache.assume(info, placement.node.name);
  done++;
}
const cycleSeconds = (performance.now() - from) / 1000;
console.log(`cycle alone: ${Math.round(more / cycleSeconds)} pods/s (${done} of ${more} placed)`);
abort.abort();
await running;
// Timers of informers would keep the process for a while.
process.exit(0);
