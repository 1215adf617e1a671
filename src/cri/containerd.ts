import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { AddressWithdrawal } from './address-withdrawal.ts';
import { resolveCdi } from './cdi.ts';
import { AddressAnnouncer, type CniNetwork } from './cni.ts';
import { watchContainerdEvents } from './containerd-events.ts';
import descriptor from './cri-v1.json' with { type: 'json' };
import { GrpcChannel } from './grpc.ts';
import { type PackageDescriptor, type ServiceMethod, serviceMethods } from './grpc-service.ts';
import { ImageMounts } from './image-mounts.ts';
import type { ContainerRuntime } from './runtime.ts';
import type { CallOptions, ImageService, RuntimeService } from './type.ts';

const defaultTimeoutMs = 120_000;

export interface ContainerdOptions {
  readonly socket: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The CNI network whose pods' addresses are announced to their neighbours, and withdrawn. */
  readonly network?: Pick<CniNetwork, 'name' | 'leaseDir'> & {
    /** The network namespace of its bridge, where it is not this process'. */
    readonly namespace?: string;
  };
}

/**
 * containerd's CRI over its socket. Nothing connects before the first call; calls fail with RuntimeError
 * (Unavailable) while containerd is away and work again when it is back. A call is given up after 2 minutes,
 * PullImage and streams never; `timeoutMs` in the call's options overrides that (0: no limit).
 */
export function containerdRuntime(options: ContainerdOptions): ContainerRuntime {
  const { socket, clock, log, network } = options;
  const channel = new GrpcChannel(socket, clock);
  const announcer = network && new AddressAnnouncer(network);
  const { namespace } = network ?? {};
  const withdrawal = network && new AddressWithdrawal({ network, clock, log, ...(namespace ? { namespace } : {}) });
  const calls: Record<string, unknown> = {};
  for (const { method, stream } of methods()) {
    calls[method.name] = stream
      ? (request: object, call: CallOptions, onMessage: (message: object) => void) =>
          channel.serverStream(method, request, call, onMessage)
      : (request: object, call?: CallOptions) =>
          channel.unary(method, request, call, timeoutMsOf(method.name, request));
  }
  const services = calls as unknown as RuntimeService & ImageService;
  const images = new ImageMounts(services, channel, socket);
  return {
    ...services,
    async RunPodSandbox(request, call) {
      const response = await services.RunPodSandbox(request, call);
      // The pod can do without.
      if (announcer)
        await announcer
          .announce(response.pod_sandbox_id ?? '')
          .catch(error =>
            log.warn("announcing a sandbox's addresses failed", { sandbox: response.pod_sandbox_id, error }),
          );
      return response;
    },
    async StopPodSandbox(request, call) {
      const attachment = await withdrawal?.attachment(request.pod_sandbox_id ?? '').catch(() => undefined);
      const response = await services.StopPodSandbox(request, call);
      if (attachment) withdrawal?.withdraw(attachment);
      return response;
    },
    async CreateContainer(request, call) {
      const { config: wanted } = request;
      const config = wanted && (await images.resolve(request.pod_sandbox_id ?? '', await resolveCdi(services, wanted)));
      return services.CreateContainer({ ...request, ...(config ? { config } : {}) }, call);
    },
    async RemovePodSandbox(request, call) {
      const response = await services.RemovePodSandbox(request, call);
      await images.release(request.pod_sandbox_id ?? '');
      return response;
    },
    endpoint: socket,
    watchEvents: (handler, signal) =>
      watchContainerdEvents(
        {
          channel,
          clock,
          log,
          ping: both => services.Version({}, { signal: both, timeoutMs: 10_000 }),
          hasEnded: id => hasEnded(services, id),
        },
        handler,
        signal,
      ),
    close() {
      withdrawal?.stop();
      channel.close();
    },
  };
}

/** As the kubelet's own client: what takes a time-out itself gets that much longer. */
function timeoutMsOf(method: string, request: { timeout?: number }): number {
  switch (method) {
    case 'PullImage':
      return 0;
    case 'RunPodSandbox':
      return 2 * defaultTimeoutMs;
    case 'StopContainer':
    case 'CheckpointContainer':
      return (request.timeout ?? 0) * 1000 + defaultTimeoutMs;
    case 'ExecSync':
      return request.timeout ? request.timeout * 1000 + defaultTimeoutMs : 0;
    default:
      return defaultTimeoutMs;
  }
}

// Lists, because containerd logs an error for every status it cannot find.
async function hasEnded(services: RuntimeService, id: string): Promise<boolean> {
  const options = { timeoutMs: 5000 };
  const [container] = (await services.ListContainers({ filter: { id } }, options)).containers ?? [];
  if (container) return container.state !== 'CONTAINER_RUNNING';
  const [sandbox] = (await services.ListPodSandbox({ filter: { id } }, options)).items ?? [];
  return sandbox?.state !== 'SANDBOX_READY';
}

let compiled: readonly ServiceMethod[] | undefined;

/** The methods of both services, compiled once a process. */
function methods(): readonly ServiceMethod[] {
  const types = descriptor.nested.runtime.nested.v1.nested as unknown as PackageDescriptor;
  compiled ??= serviceMethods('runtime.v1', types, ['RuntimeService', 'ImageService']);
  return compiled;
}
