// Microseconds to parse, normalise, default, track and encode a 4.7 KB pod.
import { applyDefaults, encodeJson, normalize, parseJson } from '../src/api/decode.ts';
import { updateManagedFields } from '../src/api/managed-fields.ts';
import type { KubeObject } from '../src/api/meta.ts';
import { decodeProtobuf, encodeProtobuf } from '../src/api/protobuf.ts';
import { heartbeat, nodeObject } from './heartbeat.ts';
import { largePod } from './large-pod.ts';

const typeName = 'io.k8s.api.core.v1.Pod';

/** Median of five rounds, in microseconds a call. */
export function measure(run: () => unknown, rounds = 5, calls = 4000): number {
  for (let i = 0; i < calls; i++) run();
  const samples: number[] = [];
  for (let r = 0; r < rounds; r++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) run();
    samples.push(Number(process.hrtime.bigint() - start) / calls / 1000);
  }
  return samples.sort((a, b) => a - b)[rounds >> 1]!;
}

const line = (name: string, us: number) => console.log(`${name.padEnd(28)} ${us.toFixed(2).padStart(8)} µs`);

export function main(): void {
  const body = Buffer.from(JSON.stringify(largePod()));
  const text = body.toString();
  const value = JSON.parse(text) as unknown;
  const pod = normalize(typeName, value);
  applyDefaults(typeName, pod);
  console.log(`pod of ${body.length} bytes`);
  line(
    'JSON.parse',
    measure(() => JSON.parse(text)),
  );
  line(
    'parseJson',
    measure(() => parseJson(body)),
  );
  line(
    'normalize',
    measure(() => normalize(typeName, value)),
  );
  line(
    'normalize, own order',
    measure(() => normalize(typeName, pod)),
  );
  line(
    'applyDefaults',
    measure(() => applyDefaults(typeName, pod)),
  );
  line(
    'encodeJson',
    measure(() => encodeJson(pod)),
  );
  const proto = encodeProtobuf(typeName, pod as KubeObject);
  line(
    'encodeProtobuf',
    measure(() => encodeProtobuf(typeName, pod as KubeObject)),
  );
  line(
    'decodeProtobuf, normalised',
    measure(() => decodeProtobuf(proto)),
  );
  trackPod(text);
  trackNode();
}

const common = { operation: 'Update', apiVersion: 'v1', time: '2026-01-02T04:00:00Z' } as const;

function trackPod(text: string): void {
  const read = () => normalize(typeName, JSON.parse(text)) as KubeObject;
  const created = read();
  const old = read();
  const updated = read();
  (updated as any).status.phase = 'Succeeded';
  (updated as any).status.conditions[2].status = 'False';
  const kubelet = { ...common, typeName, manager: 'kubelet' };
  line(
    'managedFields, pod created',
    measure(() => updateManagedFields({ ...kubelet, old: undefined, updated: created, subresource: '' })),
  );
  line(
    'managedFields, pod status',
    measure(() => updateManagedFields({ ...kubelet, old, updated, subresource: 'status' })),
  );
  line(
    'managedFields, no change',
    measure(() => updateManagedFields({ ...kubelet, old, updated: created, subresource: '' })),
  );
}

function trackNode(): void {
  const node = 'io.k8s.api.core.v1.Node';
  const kubelet = { ...common, typeName: node, manager: 'kubelet', subresource: 'status' };
  const empty = normalize(node, { metadata: { name: 'n' } }) as KubeObject;
  const first = normalize(node, nodeObject()) as KubeObject;
  const managedFields = updateManagedFields({ ...kubelet, old: undefined, updated: first });
  const old = { ...first, metadata: { ...empty.metadata, managedFields } } as KubeObject;
  const updated = normalize(node, heartbeat(old)) as KubeObject;
  line(
    'managedFields, heartbeat',
    measure(() => updateManagedFields({ ...kubelet, old, updated })),
  );
}

if (import.meta.main) main();
