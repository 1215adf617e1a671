// Defaults of pods and pod templates beyond those the schema states.
import { isCanonicalPart } from '../../canonical-part.ts';
import { defaultPullPolicy } from '../../image-name.ts';
import type { Mutable } from '../../meta.ts';
import { parseQuantity } from '../../quantity.ts';
import type {
  Container,
  DownwardAPIVolumeFile,
  LifecycleHandler,
  PersistentVolumeClaimSpec,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Probe,
  ProjectedVolumeSource,
  Volume,
} from '../../type/core-v1.ts';
import { sortedRecord } from '../record.ts';
import { podLevelDefaults } from './pod-level-resource.ts';

const FILE_MODE = 0o644;

/** Defaults a pod's spec; for a pod (not a template) also requests, host ports and service links. Idempotent. */
export function podSpecDefaults(spec: Mutable<PodSpec>, template: boolean): void {
  spec.containers ??= [];
  if (!template) podOnlyDefaults(spec);
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  // The deprecated alias always mirrors the name.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  if (spec.volumes) for (const volume of spec.volumes) volumeDefaults(volume);
  if (spec.initContainers) for (const c of spec.initContainers) containerDefaults(c);
  for (const c of spec.containers) containerDefaults(c);
  if (spec.ephemeralContainers) for (const c of spec.ephemeralContainers) containerDefaults(c);
  if (spec.resources) roundResources(spec.resources);
  if (spec.overhead) roundUp(spec.overhead);
}

/** The spec of a template that may lack one. */
export function podTemplateDefaults(template: Mutable<PodTemplateSpec>): void {
  template.spec ??= { containers: [] };
  podSpecDefaults(template.spec, true);
}

function podOnlyDefaults(spec: Mutable<PodSpec>): void {
  spec.enableServiceLinks ??= true;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    requestsFromLimits(container);
    if (!spec.hostNetwork) continue;
    for (const port of container.ports ?? []) if (!port.hostPort) port.hostPort = port.containerPort;
  }
  podLevelDefaults(spec);
}

function requestsFromLimits(container: Mutable<Container>): void {
  const limits = container.resources?.limits;
  if (!limits) return;
  const requests = { ...container.resources!.requests };
  let missing = false;
  for (const name in limits) {
    if (requests[name] !== undefined) continue;
    requests[name] = limits[name]!;
    missing = true;
  }
  if (missing) container.resources!.requests = sortedRecord(requests);
}

function containerDefaults(container: Mutable<Container>): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image ?? '');
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  if (container.ports) for (const port of container.ports) port.protocol ||= 'TCP';
  // A list that is held by many has its defaults.
  if (container.env && !isCanonicalPart(container.env)) {
    for (const env of container.env) {
      const from = env.valueFrom;
      if (!from) continue;
      if (from.fieldRef) from.fieldRef.apiVersion ||= 'v1';
      if (from.fileKeyRef) from.fileKeyRef.optional ??= false;
    }
  }
  if (container.resources) roundResources(container.resources);
  probeDefaults(container.livenessProbe);
  probeDefaults(container.readinessProbe);
  probeDefaults(container.startupProbe);
  handlerDefaults(container.lifecycle?.postStart);
  handlerDefaults(container.lifecycle?.preStop);
}

function probeDefaults(probe: Mutable<Probe> | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  handlerDefaults(probe);
  if (probe.grpc) probe.grpc.service ??= '';
}

function handlerDefaults(handler: Mutable<Pick<LifecycleHandler, 'httpGet'>> | undefined): void {
  const get = handler?.httpGet;
  if (!get) return;
  get.path ||= '/';
  get.scheme ||= 'HTTP';
}

function volumeDefaults(volume: Mutable<Volume>): void {
  let sources = 0;
  for (const key in volume) if (key !== 'name' && volume[key as keyof Volume] != null) sources++;
  if (sources === 0) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    downwardDefaults(volume.downwardAPI.items);
  }
  if (volume.projected) projectedDefaults(volume.projected);
  if (volume.hostPath) volume.hostPath.type ??= '';
  if (volume.image) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference ?? '');
  storageDefaults(volume);
  if (volume.ephemeral?.volumeClaimTemplate) claimSpecDefaults(volume.ephemeral.volumeClaimTemplate.spec);
}

/** Of volumes on storage systems, wherever they stand: in a pod, in a PersistentVolume. */
export function storageDefaults(volume: Mutable<Pick<Volume, 'iscsi' | 'rbd' | 'scaleIO' | 'azureDisk'>>): void {
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= 'default';
  if (volume.rbd) {
    volume.rbd.pool ||= 'rbd';
    volume.rbd.user ||= 'admin';
    volume.rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (volume.scaleIO) {
    volume.scaleIO.storageMode ||= 'ThinProvisioned';
    volume.scaleIO.fsType ||= 'xfs';
  }
  if (volume.azureDisk) {
    volume.azureDisk.cachingMode ??= 'ReadWrite';
    volume.azureDisk.kind ??= 'Shared';
    volume.azureDisk.fsType ??= 'ext4';
    volume.azureDisk.readOnly ??= false;
  }
}

function downwardDefaults(items: Mutable<DownwardAPIVolumeFile>[] | undefined): void {
  for (const item of items ?? []) if (item.fieldRef) item.fieldRef.apiVersion ||= 'v1';
}

function projectedDefaults(projected: Mutable<ProjectedVolumeSource>): void {
  projected.defaultMode ??= FILE_MODE;
  for (const source of projected.sources ?? []) {
    if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
    if (source.podCertificate) source.podCertificate.maxExpirationSeconds ??= 86400;
    if (source.downwardAPI) downwardDefaults(source.downwardAPI.items);
  }
}

/** Defaults of a claim's spec, wherever it stands. */
export function claimSpecDefaults(spec: Mutable<PersistentVolumeClaimSpec>): void {
  spec.volumeMode ??= 'Filesystem';
  if (spec.resources?.limits) roundUp(spec.resources.limits);
  if (spec.resources?.requests) roundUp(spec.resources.requests);
}

function roundResources(resources: Mutable<NonNullable<Container['resources']>>): void {
  if (resources.limits) roundUp(resources.limits);
  if (resources.requests) roundUp(resources.requests);
}

// Nothing below a thousandth is kept; only such values are written with these suffixes.
function roundUp(list: Record<string, string>): void {
  for (const name in list) {
    const text = list[name];
    if (typeof text !== 'string') continue;
    const last = text.charCodeAt(text.length - 1);
    if (last !== 0x6e && last !== 0x75) continue;
    const quantity = parseQuantity(text);
    list[name] = parseQuantity(`${quantity.milliValue()}m`).toString();
  }
}

const DROPPED_ANNOTATIONS = [
  'pod.alpha.kubernetes.io/init-containers',
  'pod.beta.kubernetes.io/init-containers',
  'pod.alpha.kubernetes.io/init-container-statuses',
  'pod.beta.kubernetes.io/init-container-statuses',
];

/** All defaults of a Pod object. */
export function podDefaults(pod: Mutable<Pod>): void {
  pod.spec ??= { containers: [] };
  pod.status ??= {};
  const { annotations } = pod.metadata;
  if (annotations) for (const key of DROPPED_ANNOTATIONS) if (annotations[key] !== undefined) delete annotations[key];
  podSpecDefaults(pod.spec, false);
  // podIP is the first of podIPs, whichever the writer knew.
  const { status } = pod;
  if (status.podIPs?.length) status.podIP = status.podIPs[0]!.ip;
  else if (status.podIP) status.podIPs = [{ ip: status.podIP }];
}
