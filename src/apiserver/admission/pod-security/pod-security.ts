// PodSecurity: the namespace's labels say which standard pods must keep to, and which is warned of.
import type { KubeObject } from '../../../api/meta.ts';
import { forbidden, invalid } from '../../../api/status.ts';
import type { Pod, PodTemplateSpec } from '../../../api/type/core-v1.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { EvaluationCounts } from './evaluation-counts.ts';
import { type CheckedPod, type Level, violations, violationsText } from './kernel/checks.ts';
import {
  isVersion,
  levels,
  type Mode,
  modes,
  type PodSecuritySettings,
  type Policy,
  usualSettings,
} from './settings.ts';

export interface PodSecurityDeps {
  readonly namespaces: WatchCache;
  readonly pods: WatchCache;
  readonly counts?: EvaluationCounts | undefined;
  readonly settings?: PodSecuritySettings | undefined;
}

const prefix = 'pod-security.kubernetes.io/';

type Labels = Readonly<Record<string, string>>;

const policyText = (p: Policy) => `${p.level}:${p.version}`;
const minorOf = (version: string) =>
  version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));

/** An unknown level counts as restricted, an unknown version as latest: the safe way to read a wrong label. */
function policyOf(labels: Labels, mode: Mode, usual: Policy): Policy {
  const level = labels[prefix + mode];
  const version = labels[`${prefix}${mode}-version`] ?? usual.version;
  return {
    level: level === undefined ? usual.level : ((levels.includes(level) ? level : 'restricted') as Level),
    version: isVersion(version) ? version : 'latest',
  };
}

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

export function podSecurity(deps: PodSecurityDeps): AdmissionPlugin {
  const { namespaces, pods, counts, settings = usualSettings } = deps;
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
      if (id === '/namespaces') return checkNamespace(a, pods, settings);
      const pod = id === '/pods' ? (a.object as unknown as Pod) : podOf(templates[id]!(a.object));
      if (!pod) return;
      const policies = policiesOf(labelsOf(a.namespace), settings);
      const exempt = exemption(a, pod, policies, settings);
      if (exempt) {
        a.annotate?.(`${prefix}exempt`, exempt);
        counts?.exempt(a);
        return;
      }
      const checked: Checked = { a, pod: pod as CheckedPod, policies, counts };
      if (id === '/pods') return checkPod(checked);
      audit(checked);
      warn(checked);
    },
  };
}

type Policies = Readonly<Record<Mode, Policy>>;

interface Checked {
  readonly a: AdmissionAttributes;
  readonly pod: CheckedPod;
  readonly policies: Policies;
  readonly counts: EvaluationCounts | undefined;
}

function policiesOf(labels: Labels, { defaults }: PodSecuritySettings): Policies {
  const of = (mode: Mode) => policyOf(labels, mode, defaults[mode]);
  return { enforce: of('enforce'), audit: of('audit'), warn: of('warn') };
}

/** Why nobody looks at the pod; '' when somebody does. */
function exemption(a: AdmissionAttributes, pod: Pod, policies: Policies, { exemptions }: PodSecuritySettings): string {
  if (exemptions.namespaces.includes(a.namespace)) return 'namespace';
  if (exemptions.usernames.includes(a.user.name)) return 'user';
  const { runtimeClassName } = pod.spec;
  if (!runtimeClassName || !exemptions.runtimeClasses.includes(runtimeClassName)) return '';
  return modes.every(mode => policies[mode].level === 'privileged') ? '' : 'runtimeClass';
}

const podOf = (template: PodTemplateSpec | undefined): Pod | undefined =>
  template?.spec && ({ metadata: template.metadata ?? {}, spec: template.spec } as unknown as Pod);

function checkPod(checked: Checked): void {
  const { a, pod, policies, counts } = checked;
  if (a.operation === 'UPDATE' && !isSignificant(a.old as unknown as Pod, pod as unknown as Pod)) return;
  const { enforce } = policies;
  const found = violations(pod, enforce.level, minorOf(enforce.version));
  a.annotate?.(`${prefix}enforce-policy`, policyText(enforce));
  counts?.count(found.length ? 'deny' : 'allow', 'enforce', enforce, a);
  audit(checked);
  if (found.length)
    throw forbidden(
      a.resource,
      a.name,
      `violates PodSecurity ${JSON.stringify(policyText(enforce))}: ${violationsText(found)}`,
    );
  warn(checked);
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

function audit({ a, pod, policies: { audit: policy }, counts }: Checked): void {
  const found = violations(pod, policy.level, minorOf(policy.version));
  if (!found.length) return;
  counts?.count('deny', 'audit', policy, a);
  a.annotate?.(`${prefix}audit-violations`, wouldViolate(policy, found));
}

function warn({ a, pod, policies: { warn: policy }, counts }: Checked): void {
  const found = violations(pod, policy.level, minorOf(policy.version));
  if (!found.length) return;
  counts?.count('deny', 'warn', policy, a);
  a.warn(wouldViolate(policy, found));
}

function checkNamespace(a: AdmissionAttributes, pods: WatchCache, settings: PodSecuritySettings): void {
  const labels = a.object?.metadata.labels ?? {};
  const before = a.old?.metadata.labels ?? {};
  const isChanged = (key: string) => labels[prefix + key] !== before[prefix + key];
  if (!modes.some(m => isChanged(m) || isChanged(`${m}-version`))) return;
  checkLabels(a, labels);
  const policies = policiesOf(labels, settings);
  if (settings.exemptions.namespaces.includes(a.name)) {
    warnOfExemption(a, labels, policies);
    return;
  }
  if (a.operation !== 'UPDATE') return;
  const now = policies.enforce;
  const then = policiesOf(before, settings).enforce;
  const isStricter = now.version !== then.version || levels.indexOf(now.level) > levels.indexOf(then.level);
  if (now.level !== 'privileged' && isStricter) warnOfExisting(a, now, pods, settings);
}

function warnOfExemption(a: AdmissionAttributes, labels: Labels, policies: Policies): void {
  const stated = modes.filter(m => labels[prefix + m] !== undefined || labels[`${prefix}${m}-version`] !== undefined);
  if (!stated.length) return;
  const policy = stated.map(m => `${m}=${policyText(policies[m])}`).join(', ');
  a.warn(`namespace ${JSON.stringify(a.name)} is exempt from Pod Security, and the policy (${policy}) will be ignored`);
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
    if (labels[versionKey] !== undefined && !isVersion(labels[versionKey]))
      add(versionKey, 'must be "latest" or "v1.x"');
  }
  if (causes.length) throw invalid({ group: '', resource: 'Namespace' }, a.name, causes);
}

const mostListed = 3;

function warnOfExisting(
  a: AdmissionAttributes,
  policy: Policy,
  pods: WatchCache,
  { exemptions }: PodSecuritySettings,
): void {
  const byReason = new Map<string, string[]>();
  pods.snapshot().scan(`${a.name}/`, undefined, ({ object }) => {
    const pod = object as unknown as Pod & KubeObject;
    if (exemptions.runtimeClasses.includes(pod.spec.runtimeClassName ?? '')) return undefined;
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
