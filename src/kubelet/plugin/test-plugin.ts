// A plugin for tests: registers like a node driver's registrar.
import { type GrpcServer, serveGrpc } from '../../cri/grpc-server.ts';
import { type PluginInfo, registrationMethods } from './plugin-registration.ts';

export interface TestPlugin {
  /** What the kubelet said of its registrations, in order: empty texts are successes. */
  readonly outcomes: readonly string[];
  /** Resolves at the next outcome. */
  told(): Promise<string>;
  /** Takes its socket away. */
  close(): Promise<void>;
}

/** Offers itself at `socket`; `info` may be a function that fails. */
export async function offerPlugin(socket: string, info: PluginInfo | (() => PluginInfo)): Promise<TestPlugin> {
  const outcomes: string[] = [];
  let waiting = Promise.withResolvers<string>();
  const server: GrpcServer = await serveGrpc(socket, registrationMethods(), {
    GetInfo: () => (typeof info === 'function' ? info() : info),
    NotifyRegistrationStatus: ({ error }: { error: string }) => {
      outcomes.push(error);
      waiting.resolve(error);
      waiting = Promise.withResolvers();
      return {};
    },
  });
  return { outcomes, told: () => waiting.promise, close: () => server.close() };
}
