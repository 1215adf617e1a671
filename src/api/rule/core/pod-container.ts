// Containers of all three sorts.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isPortName, isValidPortNumber } from '../../name-rule.ts';
import type { Container, ContainerPort, EphemeralContainer, PodSpec } from '../../type/core-v1.ts';
import { validatePullPolicy } from './pod-common.ts';
import { validateEnv, validateEnvFrom } from './pod-env.ts';
import { validateDevices, validateMounts } from './pod-mount.ts';
import { validateLifecycle, validateProbes } from './pod-probe.ts';
import { validateResizePolicy, validateResources } from './pod-resource.ts';
import { validateRestartRules } from './pod-restart.ts';
import { validateSecurityContext } from './pod-security.ts';
import type { Volumes } from './pod-volume.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError'];

/** What containers are checked against. */
export interface ContainerScope {
  readonly spec: PodSpec;
  readonly volumes: Volumes;
  readonly claims: ReadonlySet<string>;
  /** As it was before an update. */
  readonly oldSpec?: PodSpec | undefined;
}

export function validateContainers(scope: ContainerScope, at: FieldPath, errors: FieldErrors): void {
  const { containers, terminationGracePeriodSeconds: grace, os } = scope.spec;
  if (!containers?.length) {
    errors.required(at);
    return;
  }
  const names = new Set<string>();
  for (let i = 0; i < containers.length; i++) {
    const container = containers[i]!;
    const here = at.index(i);
    validateCommon(container, scope, here, errors);
    if (names.has(container.name)) errors.duplicate(here.child('name'), container.name);
    names.add(container.name);
    if (container.lifecycle) validateLifecycle(container.lifecycle, grace, os?.name, here.child('lifecycle'), errors);
    validateProbes(container, grace, here, errors);
    validateRestartRules(container, false, here, errors);
  }
  checkHostPorts(containers, at, errors);
}

export function validateInitContainers(scope: ContainerScope, at: FieldPath, errors: FieldErrors): void {
  const { initContainers, containers, terminationGracePeriodSeconds: grace, os } = scope.spec;
  if (!initContainers) return;
  const names = new Set((containers ?? []).map(c => c.name));
  for (let i = 0; i < initContainers.length; i++) {
    const container = initContainers[i]!;
    const here = at.index(i);
    validateCommon(container, scope, here, errors);
    if (names.has(container.name)) errors.duplicate(here.child('name'), container.name);
    else if (container.name) names.add(container.name);
    checkHostPorts([container], at, errors);
    validateRestartRules(container, true, here, errors);
    if (container.restartPolicy === 'Always') {
      validateLifecycle(container.lifecycle, grace, os?.name, here.child('lifecycle'), errors);
      validateProbes(container, grace, here, errors);
      continue;
    }
    for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[field])
        errors.forbidden(here.child(field), 'may not be set for init containers without restartPolicy=Always');
    }
    for (const [j, { restartPolicy }] of (container.resizePolicy ?? []).entries()) {
      if (restartPolicy !== 'RestartContainer' || scope.oldSpec?.initContainers?.some(restartsOnResize)) continue;
      const why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
      errors.invalid(here.child('resizePolicy').index(j).child('restartPolicy'), restartPolicy, why);
    }
  }
}

const restartsOnResize = ({ restartPolicy, resizePolicy }: Container): boolean =>
  restartPolicy !== 'Always' && (resizePolicy?.some(p => p.restartPolicy === 'RestartContainer') ?? false);

const NOT_EPHEMERAL = [
  'ports',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
] as const;

export function validateEphemeralContainers(scope: ContainerScope, at: FieldPath, errors: FieldErrors): void {
  const { ephemeralContainers, containers, initContainers } = scope.spec;
  if (!ephemeralContainers?.length) return;
  const others = new Set([...containers, ...(initContainers ?? [])].map(c => c.name));
  const names = new Set<string>();
  for (const [i, container] of ephemeralContainers.entries()) {
    const here = at.index(i);
    validateCommon(container as Container, scope, here, errors);
    if (others.has(container.name) || names.has(container.name)) errors.duplicate(here.child('name'), container.name);
    names.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.has(target)) errors.notFound(here.child('targetContainerName'), target);
    validateImageWhitespace([container], () => here, errors);
    validateEphemeralFields(container, here, errors);
  }
}

function validateEphemeralFields(container: EphemeralContainer, at: FieldPath, errors: FieldErrors): void {
  const why = 'cannot be set for an Ephemeral Container';
  for (const field of NOT_EPHEMERAL) {
    const value = container[field];
    const pointed = field.endsWith('Probe') || field === 'lifecycle';
    const set = typeof value === 'object' ? pointed || Object.keys(value).length > 0 : value;
    if (set) errors.forbidden(at.child(field), why);
  }
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const here = at.child('volumeMounts').index(i);
    if (mount.subPath) errors.forbidden(here.child('subPath'), why);
    if (mount.subPathExpr) errors.forbidden(here.child('subPathExpr'), why);
  }
}

function validateCommon(c: Container, scope: ContainerScope, at: FieldPath, errors: FieldErrors): void {
  if (!c.name) errors.required(at.child('name'));
  else for (const m of isDns1123Label(c.name)) errors.invalid(at.child('name'), c.name, m);
  if (!c.image) errors.required(at.child('image'));
  if (!c.terminationMessagePolicy) errors.required(at.child('terminationMessagePolicy'));
  else if (!MESSAGE_POLICIES.includes(c.terminationMessagePolicy))
    errors.notSupported(at.child('terminationMessagePolicy'), c.terminationMessagePolicy, MESSAGE_POLICIES);
  if (c.ports) validatePorts(c.ports, at.child('ports'), errors);
  if (c.env) validateEnv(c.env, scope.volumes, at.child('env'), errors);
  if (c.envFrom) validateEnvFrom(c.envFrom, at.child('envFrom'), errors);
  if (c.volumeMounts) validateMounts(c, scope.volumes, at.child('volumeMounts'), errors);
  if (c.volumeDevices) validateDevices(c, scope.volumes, at.child('volumeDevices'), errors);
  validatePullPolicy(c.imagePullPolicy, at.child('imagePullPolicy'), errors);
  if (c.resources) validateResources(c.resources, scope.claims, at.child('resources'), errors);
  if (c.resizePolicy) validateResizePolicy(c.resizePolicy, scope.spec.restartPolicy, at.child('resizePolicy'), errors);
  if (c.securityContext)
    validateSecurityContext(c.securityContext, scope.spec.hostUsers, at.child('securityContext'), errors);
}

function validatePorts(ports: readonly ContainerPort[], at: FieldPath, errors: FieldErrors): void {
  const names = new Set<string>();
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i]!;
    const here = at.index(i);
    if (port.name) {
      const complaints = isPortName(port.name);
      for (const m of complaints) errors.invalid(here.child('name'), port.name, m);
      if (complaints.length === 0) {
        if (names.has(port.name)) errors.duplicate(here.child('name'), port.name);
        names.add(port.name);
      }
    }
    if (!port.containerPort) errors.required(here.child('containerPort'));
    else
      for (const m of isValidPortNumber(port.containerPort))
        errors.invalid(here.child('containerPort'), port.containerPort, m);
    if (port.hostPort)
      for (const m of isValidPortNumber(port.hostPort)) errors.invalid(here.child('hostPort'), port.hostPort, m);
    if (!port.protocol) errors.required(here.child('protocol'));
    else if (!PROTOCOLS.includes(port.protocol)) errors.notSupported(here.child('protocol'), port.protocol, PROTOCOLS);
  }
}

function checkHostPorts(containers: readonly Container[], at: FieldPath, errors: FieldErrors): void {
  let used: Set<string> | undefined;
  for (const [i, container] of containers.entries()) {
    if (!container.ports) continue;
    for (const [j, port] of container.ports.entries()) {
      if (!port.hostPort) continue;
      used ??= new Set();
      const id = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (used.has(id)) errors.duplicate(at.index(i).child('ports').index(j).child('hostPort'), id);
      used.add(id);
    }
  }
}

/** On the host's network a container listens on the host's port: both must agree. */
export function validateHostNetwork(containers: readonly Container[], at: FieldPath, errors: FieldErrors): void {
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      if (port.hostPort && port.hostPort !== port.containerPort)
        errors.invalid(
          at.index(i).child('ports').index(j).child('containerPort'),
          port.containerPort,
          'must match `hostPort` when `hostNetwork` is true',
        );
    }
  }
}

/** Pods, unlike templates, may not pad image names. */
export function validateImageWhitespace(
  containers: readonly { readonly image?: string }[] | undefined,
  at: (i: number) => FieldPath,
  errors: FieldErrors,
): void {
  if (!containers) return;
  for (let i = 0; i < containers.length; i++) {
    const image = containers[i]!.image ?? '';
    if (image.trim().length !== image.length)
      errors.invalid(at(i).child('image'), image, 'must not have leading or trailing whitespace');
  }
}
