// Services and slices for tests of the proxy, from few words.
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';

export const testService = (name: string, spec: object, more: object = {}): Service =>
  ({
    metadata: { name, namespace: 'default', resourceVersion: '1' },
    spec: { type: 'ClusterIP', ports: [{ name: 'p', protocol: 'TCP', port: 80 }], ...spec },
    status: {},
    ...more,
  }) as unknown as Service;

/** `10.0.0.1`, `10.0.0.1@node-a`; with ` -` not ready, ` ~` terminating but serving; ` >node-a` with a hint. */
export const testSlice = (service: string, endpoints: readonly string[], more: object = {}): EndpointSlice =>
  ({
    metadata: {
      name: `${service}-1`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': service },
      resourceVersion: '1',
    },
    addressType: 'IPv4',
    ports: [{ name: 'p', protocol: 'TCP', port: 8080 }],
    endpoints: endpoints.map(text => {
      const [where = '', ...flags] = text.split(' ');
      const [address, nodeName] = where.split('@');
      const ready = !flags.includes('-') && !flags.includes('~');
      const hint = flags.find(f => f.startsWith('>'))?.slice(1);
      const zone = flags.find(f => f.startsWith('^'))?.slice(1);
      return {
        addresses: [address],
        conditions: { ready, serving: ready || flags.includes('~'), terminating: flags.includes('~') },
        ...(nodeName ? { nodeName } : {}),
        ...(hint || zone
          ? {
              hints: {
                ...(hint ? { forNodes: [{ name: hint }] } : {}),
                ...(zone ? { forZones: [{ name: zone }] } : {}),
              },
            }
          : {}),
      };
    }),
    ...more,
  }) as unknown as EndpointSlice;
