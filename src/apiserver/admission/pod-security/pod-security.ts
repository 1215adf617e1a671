// PodSecurity: the namespace's labels say which standard pods must keep to, and which is warned of.
import type { KubeObject } from '../../../api/meta.ts';
import { forbidden, invalid } from '../../../api/status.ts';
import type { Pod, PodTemplateSpec } from '../../../api/type/core-v1.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { EvaluationCounts } from './evaluation-counts.ts';
import { type CheckedPod, type Level, violations, violationsText } from './kernel/checks.ts';

export interface PodSecurityDeps {
  readonly namespaces: WatchCache;
  readonly pods: WatchCache;
  readonly counts?: EvaluationCounts | undefined;
}

type Mode = 'enforce' | 'audit' | 'warn';
const modes: readonly Mode[] = ['enforce', 'audit', 'warn'];
const levels: readonly string[] = ['privileged', 'baseline', 'restricted'];
const prefix = 'pod-security.kubernetes.io/';

interface Policy {
  readonly level: Level;
  readonly version: string;
}

type Labels = Readonly<Record<string, string>>;

const policyText = (p: Policy) => `${p.level}:${p.version}`;
const minorOf = (version: string) =>
  version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));

/** An unknown level counts as restricted, an unknown version as latest: the safe way to read a wrong label. */
function policyOf(labels: Labels, mode: Mode): Policy {
  const level = labels[prefix + mode];
  const version = labels[`${prefix}${mode}-version`] ?? 'latest';
  return {
    level: level === undefined ? 'privileged' : ((levels.includes(level) ? level : 'restricted') as Level),
    version: validVersion(version) ? version : 'latest',
  };
}

const validVersion = (version: string) => version === 'latest' || /^v1\.(0|[1-9]\d*)$/.test(version);

// Pod templates of these are only warned about: their pods are what is refused.
const templates: Readonly<Record<string, (object: any) => PodTemplateSpec | undefined>> = {
  '/podtemplates': o => o.template,
  '/replicationcontrollers': o => o.spec?.template,
  'apps/deployments': o => o.spec?.template,
  'apps/replicasets': o => o.spec?.template,
  'apps/daemonsets': o => o.spec?.template,
  'apps/statefulsets': o => o.spec?.template,
  'batch/jobs': o => o.spec?.template,
  'batch/cronjobs': o => o.spec?.jobTemplate?.spec?.template,
};

export function podSecurity({ namespaces, pods, counts }: PodSecurityDeps): AdmissionPlugin {
  const labelsOf = (namespace: string): Labels => namespaces.latest(namespace)?.object.metadata.labels ?? {};
  const idOf = ({ resource }: AdmissionAttributes) => `${resource.group}/${resource.resource}`;
  return {
    name: 'PodSecurity',
    handles: a => {
      if (a.operation !== 'CREATE' && a.operation !== 'UPDATE') return false;
      const id = idOf(a);
      if (id === '/pods')
        return a.subresource === '' || a.subresource === 'ephemeralcontainers' || a.subresource === 'resize';
      return a.subresource === '' && (id === '/namespaces' || id in templates);
    },
    validate(a) {
      const id = idOf(a);
      if (id === '/namespaces') return checkNamespace(a, pods);
      const labels = labelsOf(a.namespace);
      if (id !== '/pods') return checkTemplate(a, templates[id]!(a.object), labels, counts);
      checkPod(a, labels, counts);
    },
  };
}

function checkPod(a: AdmissionAttributes, labels: Labels, counts: EvaluationCounts | undefined): void {
  const pod = a.object as unknown as Pod;
  if (a.operation === 'UPDATE' && !isSignificant(a.old as unknown as Pod, pod)) return;
  const enforce = policyOf(labels, 'enforce');
  const found = violations(pod as CheckedPod, enforce.level, minorOf(enforce.version));
  a.annotate?.(`${prefix}enforce-policy`, policyText(enforce));
  counts?.count(found.length ? 'deny' : 'allow', 'enforce', enforce, a);
  audit(a, pod as CheckedPod, labels, counts);
  if (found.length)
    throw forbidden(
      a.resource,
      a.name,
      `violates PodSecurity ${JSON.stringify(policyText(enforce))}: ${violationsText(found)}`,
    );
  warn(a, pod as CheckedPod, labels, counts);
}

// Only images and the lifetime may be changed without looking again.
function isSignificant(old: Pod, now: Pod): boolean {
  const shape = (pod: Pod) => {
    const blank = (c: object) => ({ ...c, image: '' });
    const { metadata, spec } = pod;
    const armor = Object.entries(metadata.annotations ?? {}).filter(([k]) => k.includes('apparmor.security'));
    return JSON.stringify([
      armor,
      {
        ...spec,
        activeDeadlineSeconds: 0,
        tolerations: [],
        containers: spec.containers.map(blank),
        initContainers: spec.initContainers?.map(blank),
      },
    ]);
  };
  return shape(old) !== shape(now);
}

const wouldViolate = (policy: Policy, found: ReturnType<typeof violations>) =>
  `would violate PodSecurity ${JSON.stringify(policyText(policy))}: ${violationsText(found)}`;

function audit(a: AdmissionAttributes, pod: CheckedPod, labels: Labels, counts: EvaluationCounts | undefined): void {
  const policy = policyOf(labels, 'audit');
  const found = violations(pod, policy.level, minorOf(policy.version));
  if (!found.length) return;
  counts?.count('deny', 'audit', policy, a);
  a.annotate?.(`${prefix}audit-violations`, wouldViolate(policy, found));
}

function warn(a: AdmissionAttributes, pod: CheckedPod, labels: Labels, counts: EvaluationCounts | undefined): void {
  const policy = policyOf(labels, 'warn');
  const found = violations(pod, policy.level, minorOf(policy.version));
  if (!found.length) return;
  counts?.count('deny', 'warn', policy, a);
  a.warn(wouldViolate(policy, found));
}

function checkTemplate(
  a: AdmissionAttributes,
  template: PodTemplateSpec | undefined,
  labels: Labels,
  counts: EvaluationCounts | undefined,
): void {
  if (!template?.spec) return;
  const pod = { metadata: template.metadata ?? {}, spec: template.spec } as CheckedPod;
  audit(a, pod, labels, counts);
  warn(a, pod, labels, counts);
}

function checkNamespace(a: AdmissionAttributes, pods: WatchCache): void {
  const labels = a.object?.metadata.labels ?? {};
  const before = a.old?.metadata.labels ?? {};
  const changed = modes.some(
    m =>
      labels[prefix + m] !== before[prefix + m] || labels[`${prefix}${m}-version`] !== before[`${prefix}${m}-version`],
  );
  if (!changed) return;
  checkLabels(a, labels);
  if (a.operation !== 'UPDATE') return;
  const now = policyOf(labels, 'enforce');
  const then = policyOf(before, 'enforce');
  if (now.level === 'privileged' || policyText(now) === policyText(then)) return;
  warnOfExisting(a, now, pods);
}

function checkLabels(a: AdmissionAttributes, labels: Labels): void {
  const causes: { reason: string; message: string; field: string }[] = [];
  const add = (key: string, why: string) =>
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(labels[key])}: ${why}`,
      field: `metadata.labels[${key}]`,
    });
  for (const mode of modes) {
    const key = prefix + mode;
    if (labels[key] !== undefined && !levels.includes(labels[key])) add(key, `must be one of ${levels.join(', ')}`);
    const versionKey = `${key}-version`;
    if (labels[versionKey] !== undefined && !validVersion(labels[versionKey]))
      add(versionKey, 'must be "latest" or "v1.x"');
  }
  if (causes.length) throw invalid({ group: '', resource: 'Namespace' }, a.name, causes);
}

const mostListed = 3;

function warnOfExisting(a: AdmissionAttributes, policy: Policy, pods: WatchCache): void {
  const byReason = new Map<string, string[]>();
  pods.snapshot().scan(`${a.name}/`, undefined, ({ object }) => {
    const pod = object as unknown as Pod & KubeObject;
    const found = violations(pod as CheckedPod, policy.level, minorOf(policy.version));
    if (found.length) {
      const reasons = found.map(v => v.reason).join(', ');
      byReason.set(reasons, [...(byReason.get(reasons) ?? []), pod.metadata.name]);
    }
    return undefined;
  });
  if (!byReason.size) return;
  a.warn(
    `existing pods in namespace ${JSON.stringify(a.name)} violate the new PodSecurity enforce level ${JSON.stringify(policyText(policy))}`,
  );
  for (const [reasons, names] of byReason) a.warn(`${podsText(names)}: ${reasons}`);
}

function podsText(names: readonly string[]): string {
  const [first, ...others] = names;
  if (!others.length) return `${first}`;
  if (others.length === 1) return `${first} (and 1 other pod)`;
  return names.length > mostListed - 1 ? `${first} (and ${others.length} other pods)` : names.join(', ');
}
