// A driver of dynamic resources for tests, on a real socket.
import { join } from 'node:path';
import { type GrpcServer, serveGrpc } from '../../cri/grpc-server.ts';
import { type PluginInfo, registrationMethods } from '../plugin/plugin-registration.ts';
import { type DraService, draHealthService, draMethods, type NamedClaim, type PreparedDevice } from './dra-api.ts';

export interface TestDraDriverOptions {
  readonly driver: string;
  readonly directory: string;
  readonly services?: readonly string[];
  /** Default: one device for all requests. */
  prepare?(claim: NamedClaim): readonly Partial<PreparedDevice>[] | Promise<readonly Partial<PreparedDevice>[]>;
  unprepare?(claim: NamedClaim): void;
  /** Of each device of pool `pool`, by name. */
  readonly health?: Readonly<Record<string, 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'>>;
}

export interface TestDraDriver {
  readonly socket: string;
  readonly info: PluginInfo;
  readonly calls: string[];
  /** Says how its devices are, from now on. */
  tellHealth(health: Readonly<Record<string, 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'>>): void;
  close(): Promise<void>;
}

export async function startTestDraDriver(o: TestDraDriverOptions): Promise<TestDraDriver> {
  const calls: string[] = [];
  const services = o.services ?? ['v1.DRAPlugin'];
  const socket = join(o.directory, `${o.driver}.sock`);
  const info = { type: 'DRAPlugin', name: o.driver, endpoint: socket, supported_versions: services };
  let health = o.health ?? {};
  const watchers = new Set<() => void>();
  const names = (claims: readonly NamedClaim[]) => claims.map(c => c.name).join(' ');
  const each = async (claims: readonly NamedClaim[], one: (claim: NamedClaim) => object | Promise<object>) => {
    const results = claims.map(async c => {
      try {
        return [c.uid, await one(c)];
      } catch (error) {
        return [c.uid, { error: (error as Error).message }];
      }
    });
    return { claims: Object.fromEntries(await Promise.all(results)) };
  };
  const served = services.filter(s => s !== draHealthService) as DraService[];
  const methods = [
    ...registrationMethods(),
    ...served.flatMap(s => draMethods(s)),
    ...(services.includes(draHealthService) ? draMethods(draHealthService) : []),
  ];
  const server: GrpcServer = await serveGrpc(socket, methods, {
    GetInfo: () => info,
    NotifyRegistrationStatus: () => ({}),
    NodePrepareResources: ({ claims }: { claims: readonly NamedClaim[] }) => {
      calls.push(`prepare ${names(claims)}`);
      return each(claims, async c => ({
        devices: (await o.prepare?.(c)) ?? [
          { pool_name: 'pool', device_name: c.name, cdi_device_ids: [`${o.driver}/device=${c.name}`] },
        ],
      }));
    },
    NodeUnprepareResources: ({ claims }: { claims: readonly NamedClaim[] }) => {
      calls.push(`unprepare ${names(claims)}`);
      return each(claims, c => {
        o.unprepare?.(c);
        return {};
      });
    },
    NodeWatchResources: (_: object, send: (message: object) => void, { signal }: { signal: AbortSignal }) =>
      new Promise<void>(resolve => {
        const tell = () =>
          send({
            devices: Object.entries(health).map(([device_name, h]) => ({
              device: { pool_name: 'pool', device_name },
              health: h,
            })),
          });
        tell();
        watchers.add(tell);
        signal.addEventListener('abort', () => {
          watchers.delete(tell);
          resolve();
        });
      }),
  });
  return {
    ...{ socket, info, calls, close: () => server.close() },
    tellHealth(next) {
      health = next;
      for (const tell of watchers) tell();
    },
  };
}
