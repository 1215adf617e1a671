// ServiceAccount: every pod runs as an account that exists, and gets its token mounted.
import { markCanonical } from '../../api/canonical-part.ts';
import type { Mutable } from '../../api/meta.ts';
import { podObjects } from '../../api/pod-reference.ts';
import { forbidden, type StatusError } from '../../api/status.ts';
import type { Container, Pod, ServiceAccount, Volume } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { type Random, randomSuffix } from '../../base/random.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { unmountable } from './mountable-secrets.ts';

const defaultName = 'default';
const mirrorAnnotation = 'kubernetes.io/config.mirror';
const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumePrefix = 'kube-api-access-';
const tokenSeconds = 3607;

export interface ServiceAccountDeps {
  readonly accounts: WatchCache;
  readonly random: Random;
  readonly clock: Clock;
}

export function serviceAccountAdmission(deps: ServiceAccountDeps): AdmissionPlugin {
  const { accounts, random } = deps;
  const latest = (key: string) => accounts.latest(key)?.object as unknown as ServiceAccount | undefined;
  return {
    name: 'ServiceAccount',
    handles: ({ resource, subresource, operation }) =>
      resource.group === '' &&
      resource.resource === 'pods' &&
      (operation === 'CREATE' ? subresource === '' : operation === 'UPDATE' && subresource === 'ephemeralcontainers'),
    mutate(attributes) {
      if (attributes.operation !== 'CREATE') return;
      const pod = attributes.object as unknown as Mutable<Pod>;
      // The kubelet takes a mirror pod that differs from its own for none of its.
      if (isMirror(pod)) return checkMirror(attributes, pod);
      if (!pod.spec.serviceAccountName) pod.spec.serviceAccountName = defaultName;
      pod.spec.serviceAccount = pod.spec.serviceAccountName;
      const key = keyOf(attributes, pod);
      const account = latest(key);
      if (account) return complete(attributes, account, random);
      if (pod.spec.serviceAccountName !== defaultName) throw absent(attributes, pod);
      // A new namespace gets it in a moment.
      return appears(deps, attributes.namespace, key).then(() => {
        const made = latest(key);
        if (!made) throw absent(attributes, pod);
        complete(attributes, made, random);
      });
    },
    validate(attributes) {
      const pod = attributes.object as unknown as Pod;
      const { operation, namespace, resource, name } = attributes;
      if (operation === 'CREATE' && isMirror(pod)) return checkMirror(attributes, pod);
      if (!pod.spec.serviceAccountName)
        throw forbidden(resource, name, `no service account specified for pod ${namespace}/${pod.metadata.name}`);
      const account = latest(keyOf(attributes, pod));
      if (!account) throw absent(attributes, pod);
      checkSecrets(attributes, account);
    },
  };
}

const isMirror = (pod: Pod) => pod.metadata.annotations?.[mirrorAnnotation] !== undefined;
const keyOf = ({ namespace }: AdmissionAttributes, { spec }: Pod) => `${namespace}/${spec.serviceAccountName}`;

function absent(attributes: AdmissionAttributes, pod: Pod): StatusError {
  const why = `serviceaccount ${JSON.stringify(pod.spec.serviceAccountName)} not found`;
  const { resource, name } = attributes;
  return forbidden(resource, name, `error looking up service account ${keyOf(attributes, pod)}: ${why}`);
}

/** As long as Kubernetes asks for it again: nine times, 100 to 200 ms apart. */
async function appears({ accounts, clock, random }: ServiceAccountDeps, namespace: string, key: string): Promise<void> {
  const there = new AbortController();
  const stop = accounts.listen({
    namespace,
    onEvent: event => {
      if (event.key === key) there.abort();
    },
  });
  await clock.sleep(9 * (100 + 100 * random.next()), there.signal).catch(() => {});
  stop();
}

/** What is wrong with the secrets comes before what else is wrong with the pod. */
function complete(attributes: AdmissionAttributes, account: ServiceAccount, random: Random): void {
  const pod = attributes.object as unknown as Mutable<Pod>;
  if (pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod, random);
  if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
    pod.spec.imagePullSecrets = account.imagePullSecrets.map(({ name }) => ({ ...(name ? { name } : {}) }));
  checkSecrets(attributes, account);
}

function checkSecrets({ object, operation, resource, name }: AdmissionAttributes, account: ServiceAccount): void {
  const why = unmountable(account, object as unknown as Pod, operation === 'CREATE');
  if (why) throw forbidden(resource, name, why);
}

function checkMirror({ resource, name }: AdmissionAttributes, pod: Pod): void {
  const { serviceAccountName, volumes = [] } = pod.spec;
  if (serviceAccountName) throw forbidden(resource, name, 'a mirror pod may not reference service accounts');
  if (podObjects(pod).some(o => o.type === 'secret'))
    throw forbidden(resource, name, 'a mirror pod may not reference secrets');
  if (volumes.some(v => v.projected?.sources?.some(s => s.serviceAccountToken)))
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
