// AdmissionConfiguration: what plugins of admission are told.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { readLimitedResources } from '../apiserver/admission/limited-resources.ts';
import { readEventRateLimit } from '../apiserver/admission/optional/event-rate-limit.ts';
import { readImagePolicy } from '../apiserver/admission/optional/image-policy.ts';
import { readPodNodeSelector } from '../apiserver/admission/optional/pod-node-selector.ts';
import { readPodTolerations } from '../apiserver/admission/optional/pod-toleration-restriction.ts';
import type { Level } from '../apiserver/admission/pod-security/kernel/checks.ts';
import {
  isVersion,
  levels,
  type Mode,
  modes,
  type PodSecuritySettings,
  type Policy,
  usualSettings,
} from '../apiserver/admission/pod-security/settings.ts';
import type { AdmissionSettings } from '../apiserver/admission/settings.ts';
import { readWebhookAdmission } from '../apiserver/extension/webhook-identity.ts';
import { messageOf } from '../base/assert.ts';

type Plain = Readonly<Record<string, unknown>>;

const podSecurityVersions = ['v1', 'v1beta1', 'v1alpha1'].map(v => `pod-security.admission.config.k8s.io/${v}`);

export interface AdmissionFile {
  readonly podSecurity?: PodSecuritySettings;
  readonly admission?: AdmissionSettings;
}

/** What each plugin's configuration comes to, by the text of its document. */
const readers: Readonly<Record<string, (text: string) => AdmissionFile>> = {
  PodSecurity: text => ({ podSecurity: readPodSecurity(parse(text)) }),
  EventRateLimit: text => ({ admission: { eventLimits: readEventRateLimit(text) } }),
  ImagePolicyWebhook: text => ({ admission: { imagePolicy: readImagePolicy(text) } }),
  MutatingAdmissionWebhook: text => webhooks('mutatingWebhooks', text),
  ValidatingAdmissionWebhook: text => webhooks('validatingWebhooks', text),
  PodNodeSelector: text => ({ admission: { nodeSelectors: readPodNodeSelector(text) } }),
  ResourceQuota: text => ({ admission: { limitedResources: readLimitedResources(text) } }),
  PodTolerationRestriction: text => ({ admission: { podTolerations: readPodTolerations(text) } }),
};

function webhooks(which: 'mutatingWebhooks' | 'validatingWebhooks', text: string): AdmissionFile {
  const file = readWebhookAdmission(text);
  return file ? { admission: { [which]: file } } : {};
}

/** Throws an error that names the file. */
export function readAdmissionFile(file: string): AdmissionFile {
  try {
    const { plugins = [] } = document(file, 'AdmissionConfiguration', ['apiserver.config.k8s.io/v1'], ['plugins']);
    if (!Array.isArray(plugins)) throw new Error('plugins: want a list');
    let read: AdmissionFile = {};
    for (const plugin of plugins as Plain[]) {
      const { name, path, configuration } = checked(plugin, ['name', 'path', 'configuration']);
      const reader = Object.hasOwn(readers, String(name)) ? readers[String(name)] : undefined;
      if (!reader) throw new Error(`plugin ${JSON.stringify(name)} takes no configuration`);
      const text = path
        ? readFileSync(resolve(dirname(file), String(path)), 'utf8')
        : JSON.stringify(configuration ?? null);
      const one = reader(text);
      read = { ...read, ...one, ...(one.admission ? { admission: { ...read.admission, ...one.admission } } : {}) };
    }
    return read;
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

const document = (file: string, kind: string, versions: readonly string[], fields: readonly string[]): Plain =>
  typed(parse(readFileSync(file, 'utf8')), kind, versions, fields);

function typed(value: unknown, kind: string, versions: readonly string[], fields: readonly string[]): Plain {
  const given = checked(value, ['apiVersion', 'kind', ...fields]);
  if (given.kind !== kind || !versions.includes(String(given.apiVersion)))
    throw new Error(
      `no kind ${JSON.stringify(given.kind)} is registered for version ${JSON.stringify(given.apiVersion)}`,
    );
  return given;
}

function checked(value: unknown, fields: readonly string[]): Plain {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('want a mapping');
  const unknown = Object.keys(value).filter(name => !fields.includes(name));
  if (unknown.length)
    throw new Error(
      `strict decoding error: ${unknown.map(name => `unknown field ${JSON.stringify(name)}`).join(', ')}`,
    );
  return value as Plain;
}

function readPodSecurity(value: unknown): PodSecuritySettings {
  const { defaults, exemptions } = typed(value, 'PodSecurityConfiguration', podSecurityVersions, [
    'defaults',
    'exemptions',
  ]);
  const given = checked(
    defaults ?? {},
    modes.flatMap(mode => [mode, `${mode}-version`]),
  );
  const policyOf = (mode: Mode): Policy => {
    const usual = usualSettings.defaults[mode];
    const { [mode]: level = usual.level, [`${mode}-version`]: version = usual.version } = given;
    if (!levels.includes(String(level)))
      throw new Error(`defaults.${mode}: Invalid value: ${JSON.stringify(level)}: must be one of ${levels.join(', ')}`);
    if (!isVersion(String(version)))
      throw new Error(
        `defaults.${mode}-version: Invalid value: ${JSON.stringify(version)}: must be "latest" or "v1.x"`,
      );
    return { level: String(level) as Level, version: String(version) };
  };
  const names = checked(exemptions ?? {}, ['usernames', 'namespaces', 'runtimeClasses']);
  return {
    defaults: { enforce: policyOf('enforce'), audit: policyOf('audit'), warn: policyOf('warn') },
    exemptions: {
      usernames: namesOf(names, 'usernames'),
      namespaces: namesOf(names, 'namespaces'),
      runtimeClasses: namesOf(names, 'runtimeClasses'),
    },
  };
}

function namesOf(given: Plain, field: string): readonly string[] {
  const list = given[field] ?? [];
  if (!Array.isArray(list)) throw new Error(`exemptions.${field}: want a list`);
  const names = list.map(String);
  const bad = names.findIndex((name, i) => name === '' || names.indexOf(name) < i);
  if (bad < 0) return names;
  const at = `exemptions.${field}[${bad}]`;
  throw new Error(names[bad] ? `${at}: Duplicate value: ${JSON.stringify(names[bad])}` : `${at}: must not be empty`);
}
