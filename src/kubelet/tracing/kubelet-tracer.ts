// What the kubelet does for its pods, and what it asks the runtime for it, as traces that go to a collector.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import {
  createOtlpExporter,
  exportMethod,
  exportTimeoutMs,
  type OtlpExporter,
  type OtlpSender,
} from '../../base/trace/otlp.ts';
import type { Span } from '../../base/trace/span.ts';
import { GrpcChannel, type Method } from '../../cri/grpc.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';

export interface TracingSettings {
  /** `host:port` of an OTLP collector that speaks gRPC. */
  readonly endpoint: string;
  /** Of a million traces that begin here. */
  readonly samplingRatePerMillion: number;
}

export interface TracerOptions extends TracingSettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Default: to the collector. */
  readonly exporter?: Pick<OtlpExporter, 'add' | 'close'>;
}

interface Here {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

type Attributes = Span['attributes'];

export class KubeletTracer {
  readonly #o: TracerOptions;
  readonly #here = new AsyncLocalStorage<Here>();
  #exporter: Pick<OtlpExporter, 'add' | 'close'> | undefined;

  constructor(options: TracerOptions) {
    this.#o = options;
  }

  /** A look at a pod: what is to be done for it is done. */
  syncPod<T>(pod: Pod | undefined, updateType: string, run: () => Promise<T>): Promise<T> {
    const { uid = '', name = '', namespace = '' } = pod?.metadata ?? {};
    const attributes = {
      ...{ 'k8s.pod.uid': uid, 'k8s.pod': `${namespace}/${name}`, 'k8s.pod.name': name },
      ...{ 'k8s.pod.update_type': updateType, 'k8s.namespace.name': namespace },
    };
    return this.#span('syncPod', 'internal', attributes, run);
  }

  /** The same runtime, its calls followed. */
  traced(runtime: ContainerRuntime): ContainerRuntime {
    return new Proxy(runtime, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof key !== 'string' || typeof value !== 'function') return value;
        // The calls of CRI begin with a capital letter; streams of events end with the kubelet.
        if (!/^[A-Z]/.test(key) || key === 'GetContainerEvents') return value.bind(target);
        const service = imageCalls.has(key) ? 'runtime.v1.ImageService' : 'runtime.v1.RuntimeService';
        const attributes = { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': key };
        return (...args: unknown[]) =>
          this.#span(`${service}/${key}`, 'client', attributes, () => value.apply(target, args) as Promise<unknown>);
      },
    });
  }

  async close(): Promise<void> {
    await this.#exporter?.close();
  }

  async #span<T>(name: string, kind: Span['kind'], attributes: Attributes, run: () => Promise<T>): Promise<T> {
    const { clock, random, samplingRatePerMillion } = this.#o;
    const hex = (bytes: number) => Buffer.from(random.bytes(bytes)).toString('hex');
    const parent = this.#here.getStore();
    const sampled = parent?.sampled ?? random.next() * 1e6 < samplingRatePerMillion;
    if (!sampled) return parent ? run() : this.#here.run({ traceId: '', spanId: '', sampled }, run);
    const here: Here = { traceId: parent?.traceId ?? hex(16), spanId: hex(8), sampled };
    const startMs = clock.now();
    let failure: Attributes = {};
    try {
      return await this.#here.run(here, run);
    } catch (error) {
      failure = { 'exception.message': messageOf(error) };
      if (error instanceof RuntimeError) failure = { ...failure, 'rpc.grpc.status_code': error.code };
      throw error;
    } finally {
      const failed = Object.keys(failure).length > 0;
      const times = { startMs, endMs: clock.now() };
      const ids = { traceId: here.traceId, spanId: here.spanId, parentId: parent?.spanId ?? '', state: '' };
      this.#add({ ...ids, name, kind, ...times, attributes: { ...attributes, ...failure }, failed });
    }
  }

  #add(span: Span): void {
    const { endpoint, clock, log, exporter } = this.#o;
    this.#exporter ??=
      exporter ??
      createOtlpExporter(endpoint, { service: 'kubelet', clock, log, sender: channelSender(endpoint, clock) });
    this.#exporter.add([span]);
  }
}

const imageCalls = new Set(['ListImages', 'StreamImages', 'ImageStatus', 'PullImage', 'RemoveImage', 'ImageFsInfo']);

const raw = { encode: (message: Uint8Array) => Buffer.from(message), decode: (message: Uint8Array) => message };
const exporting: Method<Uint8Array, Uint8Array> = { name: 'Export', path: exportMethod, request: raw, response: raw };

/** By the channel that talks to the runtime: a package for gRPC would be two thirds of the agent's program. */
function channelSender(endpoint: string, clock: Clock): OtlpSender {
  const channel = new GrpcChannel(/^https?:/.test(endpoint) ? endpoint : `http://${endpoint}`, clock);
  return {
    send: async request => void (await channel.unary(exporting, request, undefined, exportTimeoutMs)),
    close: () => channel.close(),
  };
}
