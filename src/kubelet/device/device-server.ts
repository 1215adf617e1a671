// Where device plugins register: `kubelet.sock` in a directory of theirs, made anew at each start, which tells plugins
// to register again.
import { join } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import type { Log } from '../../base/log.ts';
import { type GrpcServer, serveGrpc } from '../../cri/grpc-server.ts';
import type { Host } from '../host/host.ts';
import { checkpointName, type DeviceManager } from './device-manager.ts';
import { deviceApiVersion, deviceRegistrationMethods, type RegisterRequest } from './device-plugin-api.ts';

export interface DeviceServerOptions {
  readonly directory: string;
  readonly manager: DeviceManager;
  readonly host: Host;
  readonly log: Log;
}

export async function serveDeviceRegistration(o: DeviceServerOptions): Promise<GrpcServer> {
  await o.host.makeDirectory(o.directory, 0o750);
  for (const name of await o.host.list(o.directory)) {
    const path = join(o.directory, name);
    if (name !== checkpointName && (await o.host.info(path))?.kind !== 'directory') await o.host.remove(path);
  }
  return serveGrpc(join(o.directory, 'kubelet.sock'), deviceRegistrationMethods(), {
    Register: async (request: RegisterRequest) => {
      const { version, resource_name: resource, endpoint } = request;
      if (version !== deviceApiVersion)
        throw new Error(
          `requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is [${JSON.stringify(deviceApiVersion)}]`,
        );
      try {
        await o.manager.register(resource, join(o.directory, endpoint));
      } catch (error) {
        o.log.warn('registering a device plugin failed', { resource, endpoint, error: messageOf(error) });
        throw error;
      }
      return {};
    },
  });
}
