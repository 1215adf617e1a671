// ServiceAccount: every pod runs as an account that exists, and gets its token mounted.
import { markCanonical } from '../../api/canonical-part.ts';
import type { Mutable } from '../../api/meta.ts';
import { forbidden, StatusError } from '../../api/status.ts';
import type { Container, Pod, ServiceAccount, Volume } from '../../api/type/core-v1.ts';
import { type Random, randomSuffix } from '../../base/random.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumePrefix = 'kube-api-access-';
const tokenSeconds = 3607;

export function serviceAccountAdmission(accounts: WatchCache, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    handles: ({ resource, subresource, operation }) =>
      resource.group === '' &&
      resource.resource === 'pods' &&
      (operation === 'CREATE' ? subresource === '' : operation === 'UPDATE' && subresource === 'ephemeralcontainers'),
    mutate(attributes) {
      if (attributes.operation !== 'CREATE') return;
      const pod = attributes.object as unknown as Mutable<Pod>;
      if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) {
        checkMirror(attributes, pod);
        return;
      }
      if (!pod.spec.serviceAccountName) pod.spec.serviceAccountName = 'default';
      pod.spec.serviceAccount = pod.spec.serviceAccountName;
      const account = accounts.latest(`${attributes.namespace}/${pod.spec.serviceAccountName}`)?.object as unknown as
        | ServiceAccount
        | undefined;
      if (!account) {
        throw forbidden(
          attributes.resource,
          attributes.name,
          `error looking up service account ${attributes.namespace}/${pod.spec.serviceAccountName}: serviceaccount ${JSON.stringify(pod.spec.serviceAccountName)} not found`,
        );
      }
      if (pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)
        mountToken(pod, random);
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = account.imagePullSecrets.map(({ name }) => ({ ...(name ? { name } : {}) }));
      }
    },
    validate(attributes) {
      const pod = attributes.object as unknown as Pod;
      if (
        attributes.operation === 'CREATE' &&
        pod.metadata.annotations?.[mirrorAnnotation] === undefined &&
        !pod.spec.serviceAccountName
      ) {
        throw new StatusError(500, 'InternalError', 'a pod without a service account passed admission');
      }
    },
  };
}

function checkMirror({ resource, name }: AdmissionAttributes, { spec }: Mutable<Pod>): void {
  if (spec.serviceAccountName) throw forbidden(resource, name, 'a mirror pod may not reference service accounts');
  if (spec.volumes?.some(v => v.secret)) throw forbidden(resource, name, 'a mirror pod may not reference secrets');
  if (spec.volumes?.some(v => v.projected?.sources?.some(s => s.serviceAccountToken)))
    throw forbidden(resource, name, 'a mirror pod may not use ServiceAccountToken volume projections');
}

function mountToken(pod: Mutable<Pod>, random: Random): void {
  const existing = pod.spec.volumes?.find(v => v.name.startsWith(volumePrefix))?.name;
  const name = existing ?? volumePrefix + randomSuffix(random);
  let used = false;
  const mount = <C extends Mutable<Container>>(containers: C[] | undefined): C[] | undefined =>
    containers?.map(c => {
      if (c.volumeMounts?.some(m => m.mountPath === tokenMountPath)) return c;
      used = true;
      return { ...c, volumeMounts: [...(c.volumeMounts ?? []), { name, readOnly: true, mountPath: tokenMountPath }] };
    });
  const containers = mount(pod.spec.containers);
  const initContainers = mount(pod.spec.initContainers);
  if (containers) pod.spec.containers = containers;
  if (initContainers) pod.spec.initContainers = initContainers;
  if (used && !existing) pod.spec.volumes = [...(pod.spec.volumes ?? []), tokenVolume(name)];
}

// All pods share it: nobody looks into it twice. In canonical form.
const projected = markCanonical<NonNullable<Mutable<Volume>['projected']>>({
  sources: markCanonical([
    { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: {
        items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
      },
    },
  ]),
  defaultMode: 420,
});

const tokenVolume = (name: string): Mutable<Volume> => ({ name, projected });
