// A registered driver, as the kubelet calls it.
import type { Clock } from '../../base/clock.ts';
import { GrpcChannel } from '../../cri/grpc.ts';
import { grpcClient, type PackageDescriptor, type ServiceMethod, serviceMethods } from '../../cri/grpc-service.ts';
import type { CsiNodeService, NodeCapability } from './csi-type.ts';
import descriptor from './csi-v1.json' with { type: 'json' };

const callMs = 120_000;

let compiled: readonly ServiceMethod[] | undefined;

/** Of all three services: a driver has identity, node and perhaps controller. */
export function csiMethods(): readonly ServiceMethod[] {
  const types = descriptor as unknown as PackageDescriptor;
  compiled ??= serviceMethods('csi.v1', types, ['Identity', 'Controller', 'Node']);
  return compiled;
}

/** Translates paths of this machine to those the driver sees. */
export type ToDriver = (path: string) => string;

/** A driver's node service, and the end of talking to it. */
export interface CsiConnection {
  readonly node: CsiNodeService;
  close(): void;
}

/** Connects with the first call. */
export function connectCsi(endpoint: string, clock: Clock): CsiConnection {
  const channel = new GrpcChannel(endpoint, clock);
  return { node: grpcClient<CsiNodeService>(channel, csiMethods(), callMs), close: () => channel.close() };
}

export class CsiDriver {
  readonly name: string;
  readonly toDriver: ToDriver;
  readonly #connection: CsiConnection;
  #capabilities: Promise<ReadonlySet<NodeCapability>> | undefined;

  constructor(name: string, connection: CsiConnection, toDriver: ToDriver) {
    this.name = name;
    this.toDriver = toDriver;
    this.#connection = connection;
  }

  get node(): CsiNodeService {
    return this.#connection.node;
  }

  /** Asked once: a driver that is replaced registers anew. */
  async can(what: NodeCapability): Promise<boolean> {
    this.#capabilities ??= this.#ask();
    const asked = this.#capabilities;
    asked.catch(() => {
      if (this.#capabilities === asked) this.#capabilities = undefined;
    });
    return (await asked).has(what);
  }

  async #ask(): Promise<ReadonlySet<NodeCapability>> {
    const { capabilities } = await this.node.NodeGetCapabilities({});
    return new Set(capabilities.flatMap(c => (c.rpc ? [c.rpc.type] : [])));
  }

  close(): void {
    this.#connection.close();
  }
}
