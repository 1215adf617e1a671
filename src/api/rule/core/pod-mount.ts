// Volume mounts and block devices of a container.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Container, VolumeMount } from '../../type/core-v1.ts';
import { validateDescendingPath } from './pod-path.ts';
import type { Volumes } from './pod-volume.ts';

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'];
const READ_ONLY_MODES = ['Disabled', 'Enabled', 'IfPossible'];

export function validateMounts(container: Container, volumes: Volumes, at: FieldPath, errors: FieldErrors): void {
  const mounts = container.volumeMounts;
  if (!mounts) return;
  const devices = container.volumeDevices ?? [];
  const paths = new Set<string>();
  for (let i = 0; i < mounts.length; i++) {
    const mount = mounts[i]!;
    const here = at.index(i);
    if (!mount.name) errors.required(here.child('name'));
    if (!volumes.has(mount.name)) errors.notFound(here.child('name'), mount.name);
    if (!mount.mountPath) errors.required(here.child('mountPath'));
    if (paths.has(mount.mountPath)) errors.invalid(here.child('mountPath'), mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    if (devices.some(d => d.name === mount.name))
      errors.invalid(here.child('name'), mount.name, 'must not already exist in volumeDevices');
    if (devices.some(d => d.devicePath === mount.mountPath))
      errors.invalid(here.child('mountPath'), mount.mountPath, 'must not already exist as a path in volumeDevices');
    validateMountOptions(mount, container, at, here, errors);
  }
}

// Kubernetes names the list, not the mount, where a path or a propagation is wrong.
function validateMountOptions(
  mount: VolumeMount,
  container: Container,
  list: FieldPath,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { subPath, subPathExpr, mountPropagation, recursiveReadOnly } = mount;
  if (subPath) validateDescendingPath(subPath, list.child('subPath'), errors);
  if (subPathExpr) {
    if (subPath) errors.invalid(at.child('subPathExpr'), subPathExpr, 'subPathExpr and subPath are mutually exclusive');
    validateDescendingPath(subPathExpr, list.child('subPathExpr'), errors);
  }
  if (mountPropagation !== undefined) {
    if (!PROPAGATIONS.includes(mountPropagation))
      errors.notSupported(list.child('mountPropagation'), mountPropagation, PROPAGATIONS);
    if (mountPropagation === 'Bidirectional' && !container.securityContext?.privileged)
      errors.forbidden(
        list.child('mountPropagation'),
        'Bidirectional mount propagation is available only to privileged containers',
      );
  }
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return;
  const here = at.child('recursiveReadOnly');
  if (!READ_ONLY_MODES.includes(recursiveReadOnly)) {
    errors.notSupported(here, recursiveReadOnly, READ_ONLY_MODES);
    return;
  }
  if (!mount.readOnly) errors.forbidden(here, 'may only be specified when readOnly is true');
  if (mountPropagation !== undefined && mountPropagation !== 'None')
    errors.forbidden(here, 'may only be specified when mountPropagation is None or not specified');
}

export function validateDevices(container: Container, volumes: Volumes, at: FieldPath, errors: FieldErrors): void {
  const devices = container.volumeDevices;
  if (!devices) return;
  const mounts = container.volumeMounts ?? [];
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const [i, { name, devicePath }] of devices.entries()) {
    const nameAt = at.index(i).child('name');
    const pathAt = at.index(i).child('devicePath');
    if (!name) errors.required(nameAt);
    if (names.has(name)) errors.invalid(nameAt, name, 'must be unique');
    const volume = volumes.get(name);
    if (!volume) errors.notFound(nameAt, name);
    else if (!volume.persistentVolumeClaim && !volume.ephemeral)
      errors.invalid(
        nameAt,
        name,
        'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      );
    if (!devicePath) errors.required(pathAt);
    if (paths.has(devicePath)) errors.invalid(pathAt, devicePath, 'must be unique');
    if (devicePath?.split('/').includes('..')) errors.invalid(pathAt, devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.some(m => m.name === name)) errors.invalid(nameAt, name, 'must not already exist in volumeMounts');
    if (mounts.some(m => m.mountPath === devicePath))
      errors.invalid(pathAt, devicePath, 'must not already exist as a path in volumeMounts');
    if (name) names.add(name);
  }
}
