// Claims of devices: administrators' access only in namespaces that are marked for it, and who may write which part of a
// claim's status (DRAResourceClaimGranularStatusAuthorization).

import { FieldErrors, path } from '../../api/field-error.ts';
import { nodeNamesOf } from '../../api/node-affinity.ts';
import { forbidden, invalid } from '../../api/status.ts';
import type { AllocatedDeviceStatus, DeviceClaim, ResourceClaim } from '../../api/type/resource-v1.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const adminLabel = 'resource.kubernetes.io/admin-access';
const nodeNameExtra = 'authentication.kubernetes.io/node-name';

const isOf = ({ resource }: AdmissionAttributes, ...names: readonly string[]): boolean =>
  resource.group === 'resource.k8s.io' && names.includes(resource.resource);

export function deviceAdminAccess(namespaces: WatchCache): AdmissionPlugin {
  return {
    name: 'DeviceAdminAccess',
    handles: a => a.operation === 'CREATE' && isOf(a, 'resourceclaims', 'resourceclaimtemplates'),
    validate({ resource, object, namespace, name }) {
      const { spec } = object as unknown as { spec?: { devices?: DeviceClaim; spec?: { devices?: DeviceClaim } } };
      const template = resource.resource === 'resourceclaimtemplates';
      const requests = (template ? spec?.spec?.devices : spec?.devices)?.requests ?? [];
      if (!requests.some(r => r.exactly?.adminAccess)) return;
      if (namespaces.get(namespace)?.object.metadata.labels?.[adminLabel] === 'true') return;
      const at = template
        ? path('spec').child('spec', 'devices', 'requests')
        : path('spec').child('devices', 'requests');
      const errors = new FieldErrors();
      for (const [i, r] of requests.entries())
        if (r.exactly?.adminAccess)
          errors.forbidden(
            at.index(i).child('exactly', 'adminAccess'),
            `admin access to devices requires the \`${adminLabel}: true\` label on the containing namespace`,
          );
      throw invalid({ group: resource.group, resource: resource.kind }, name, errors.list);
    },
  };
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

export function claimStatusAuthorization(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'ClaimStatusAuthorization',
    handles: a => a.operation === 'UPDATE' && a.subresource === 'status' && isOf(a, 'resourceclaims'),
    async validate(a) {
      const { status: now } = a.object as unknown as ResourceClaim;
      const { status: old } = a.old as unknown as ResourceClaim;
      // Admission is not told by which of the two it is written; who may one may do what the other does.
      const writes = ['update', 'patch'];
      const may = async (subresource: string, name: string, ...verbs: readonly string[]): Promise<boolean> => {
        const { group, version, resource } = a.resource;
        const at = { isResource: true, group, version, resource, subresource, name, namespace: a.namespace, path: '' };
        for (const one of verbs)
          if ((await authorizer.authorize({ user: a.user, verb: one, ...at })).decision === 'allow') return true;
        return false;
      };
      if (!same(now?.allocation, old?.allocation) || !same(now?.reservedFor, old?.reservedFor)) {
        if (!(await may('binding', a.name, ...writes)))
          throw forbidden(
            a.resource,
            a.name,
            `changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission`,
          );
      }
      const node = onlyNode(a.old as unknown as ResourceClaim);
      const near = node !== undefined && a.user.extra?.[nodeNameExtra]?.[0] === node;
      // What was told of devices goes with them, whoever takes them back.
      const held = (old?.devices ?? []).filter(d => isHeld(now, d) || !isHeld(old, d));
      for (const driver of changedDrivers(now?.devices, held)) {
        const verbs = [...(near ? ['associated-node'] : []), 'arbitrary-node'].flatMap(who =>
          writes.map(w => `${who}:${w}`),
        );
        if (await may('driver', driver, ...verbs)) continue;
        throw forbidden(
          a.resource,
          a.name,
          `changing status.devices requires resource="resourceclaims/driver", name="${driver}", verb="${verbs[0]}" permission`,
        );
      }
    },
  };
}

const isHeld = (status: ResourceClaim['status'] | undefined, d: AllocatedDeviceStatus): boolean =>
  status?.allocation?.devices?.results?.some(
    r => r.driver === d.driver && r.pool === d.pool && r.device === d.device && r.shareID === d.shareID,
  ) === true;

function onlyNode({ status }: ResourceClaim): string | undefined {
  const names = nodeNamesOf(status?.allocation?.nodeSelector);
  return names?.size === 1 ? [...names][0] : undefined;
}

function changedDrivers(
  now: readonly AllocatedDeviceStatus[] = [],
  old: readonly AllocatedDeviceStatus[] = [],
): ReadonlySet<string> {
  const of = (list: readonly AllocatedDeviceStatus[], driver: string) => list.filter(d => d.driver === driver);
  return new Set([...now, ...old].map(d => d.driver).filter(d => !same(of(now, d), of(old, d))));
}
