// resource.k8s.io: version v1beta1 has requests and devices in one piece that later versions have in two.
import type { KubeObject } from './meta.ts';

type Plain = Record<string, any>;

const later = new Set(['resource.k8s.io/v1', 'resource.k8s.io/v1beta2']);
const early = 'resource.k8s.io/v1beta1';

/** Whether the two versions differ in form. */
export const convertsResource = (from: string | undefined, to: string): boolean =>
  (from === early && later.has(to)) || (to === early && later.has(from ?? ''));

/** `apiVersion` is the other of v1beta1 and a later one. */
export function convertResource(object: KubeObject, apiVersion: string): KubeObject {
  const { spec } = object as Plain;
  const request = apiVersion === early ? joinRequest : splitRequest;
  const device = apiVersion === early ? joinDevice : splitDevice;
  const out: Plain = { ...object, apiVersion };
  switch (object.kind) {
    case 'ResourceClaim':
      out.spec = withRequests(spec, request);
      break;
    case 'ResourceClaimTemplate':
      if (spec?.spec) out.spec = { ...spec, spec: withRequests(spec.spec, request) };
      break;
    case 'ResourceSlice':
      if (spec?.devices) out.spec = { ...spec, devices: spec.devices.map(device) };
      break;
    default:
  }
  return out as KubeObject;
}

const withRequests = (spec: Plain | undefined, change: (request: Plain) => Plain): Plain | undefined =>
  spec?.devices?.requests
    ? { ...spec, devices: { ...spec.devices, requests: spec.devices.requests.map(change) } }
    : spec;

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0);

function splitRequest({ name, firstAvailable, ...asked }: Plain): Plain {
  return {
    name,
    ...(Object.values(asked).some(isSet) ? { exactly: asked } : {}),
    ...(firstAvailable ? { firstAvailable } : {}),
  };
}

const joinRequest = ({ name, exactly, firstAvailable }: Plain): Plain => ({
  name,
  ...exactly,
  ...(firstAvailable ? { firstAvailable } : {}),
});

const splitDevice = ({ name, basic }: Plain): Plain => ({ name, ...basic });
const joinDevice = ({ name, ...basic }: Plain): Plain => ({ name, basic });
