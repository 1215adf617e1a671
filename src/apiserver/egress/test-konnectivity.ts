// A konnectivity server for tests: what it is asked to dial it dials itself, or refuses.
import { connect, type Socket } from 'node:net';
import { Server as GrpcServer, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { type Packet, packet, packetType, proxyMethod, type ReceivedPacket } from './proxy-packet.ts';

export interface TestKonnectivity {
  readonly dialed: readonly string[];
  /** Connections that it holds. */
  open(): number;
  stop(): void;
}

/** `refusal`: why an address is not dialed. */
export async function startKonnectivity(
  socketPath: string,
  refusal: (address: string) => string | undefined = () => undefined,
): Promise<TestKonnectivity> {
  const dialed: string[] = [];
  const sockets = new Set<Socket>();
  let connects = 0n;
  const serve = (stream: ServerDuplexStream<ReceivedPacket, Packet>) => {
    const connectId = ++connects;
    let socket: Socket | undefined;
    const begin = ({ address, random }: { readonly address: string; readonly random: bigint }) => {
      dialed.push(address);
      const error = refusal(address);
      if (error) return void stream.write({ type: packetType.dialResponse, dialResponse: { error, random } });
      const at = address.lastIndexOf(':');
      const made = connect(Number(address.slice(at + 1)), address.slice(0, at));
      socket = made;
      sockets.add(made);
      made.on('connect', () => stream.write({ type: packetType.dialResponse, dialResponse: { connectId, random } }));
      made.on('data', (data: Buffer) => stream.write({ type: packetType.data, data: { connectId, data } }));
      made.on('error', () => {});
      made.on('close', () => {
        sockets.delete(made);
        stream.write({ type: packetType.closeResponse, closeResponse: { connectId } });
      });
    };
    stream.on('data', ({ type, dialRequest, data }: ReceivedPacket) => {
      if (type === packetType.dialRequest) begin(dialRequest!);
      else if (type === packetType.data) socket?.write(data!.data);
      else if (type === packetType.closeRequest) socket?.end();
    });
    stream.on('end', () => {
      socket?.destroy();
      stream.end();
    });
    stream.on('error', () => socket?.destroy());
  };
  const server = new GrpcServer();
  const method = {
    ...{ path: proxyMethod, requestStream: true, responseStream: true },
    requestSerialize: (value: Packet) => packet.encode(value),
    requestDeserialize: (bytes: Buffer) => packet.decode(bytes),
    responseSerialize: (value: Packet) => packet.encode(value),
    responseDeserialize: (bytes: Buffer) => packet.decode(bytes),
  };
  server.addService({ Proxy: method } as never, { Proxy: serve } as never);
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  );
  return {
    dialed,
    open: () => sockets.size,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.forceShutdown();
    },
  };
}
