// Whether an aggregated server may be asked: what its service and endpoints say.
import type { APIService } from '../../../api/type/apiregistration-v1.ts';
import type { Service } from '../../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../../api/type/discovery-v1.ts';

export interface Availability {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

const unavailable = (reason: string, message: string): Availability => ({ status: 'False', reason, message });

export const local: Availability = {
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
};
export const passed: Availability = { status: 'True', reason: 'Passed', message: 'all checks passed' };

export const failedDiscovery = (message: string): Availability => unavailable('FailedDiscoveryCheck', message);

export const isAvailable = (status: APIService['status']): boolean =>
  status?.conditions?.some(c => c.type === 'Available' && c.status === 'True') ?? false;

/** Undefined when nothing speaks against asking the server itself. */
export function checkService(
  { spec }: APIService,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
): Availability | undefined {
  const { namespace = '', name = '', port = 443 } = spec.service ?? {};
  const what = `service/${name} in ${JSON.stringify(namespace)}`;
  if (!service) return unavailable('ServiceNotFound', `${what} is not present`);
  if ((service.spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined;
  const found = service.spec?.ports?.find(p => p.port === port);
  if (!found) return unavailable('ServicePortError', `${what} is not listening on port ${port}`);
  if (slices.length === 0) return unavailable('EndpointsNotFound', `cannot find endpointslices for ${what}`);
  const portName = found.name ?? '';
  const active = slices.some(
    slice =>
      slice.ports?.some(p => (p.name ?? '') === portName && p.port) &&
      slice.endpoints?.some(e => e.conditions?.ready !== false && e.addresses.length > 0),
  );
  if (active) return undefined;
  return unavailable(
    'MissingEndpoints',
    `endpointslices for ${what} have no addresses with port name ${JSON.stringify(portName)}`,
  );
}
