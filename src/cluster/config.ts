// The file of `k8ts up --config`: kind ClusterConfiguration of k8ts.dev/v1alpha1, and what flags make of it.
import { isAbsolute } from 'node:path';
import { parseDocument } from 'yaml';
import { featureGates } from '../api/feature-gates.ts';
import { FieldErrors, type FieldPath, path } from '../api/field-error.ts';
import { builtinResources } from '../api/resource.ts';
import { parseDuration } from '../api/scalar.ts';
import { servedResources } from '../apiserver/runtime-config.ts';
import { messageOf } from '../base/assert.ts';
import { type ApiServerFiles, apiServerFields, type FieldKind } from './api-server-fields.ts';
import { type KubeletFiles, kubeletFileNames } from './kubelet-files.ts';
import { maxLabNodes } from './lab/kernel/lab-plan.ts';
import type { SchedulerFiles } from './scheduler-settings.ts';
import { checkPodBehaviour, type PodBehaviour } from './simulation/pod-behaviour.ts';

/** In one process; far fewer fit into one with containers. */
export const maxSimulatedNodes = 5000;
/** 32,768 ranges of 256 addresses, for more than the default range has room for. */
export const podCidrOfMany = '10.128.0.0/9';

export const configApiVersion = 'k8ts.dev/v1alpha1';

/** A port of this machine that leads to a port of the first node. */
export interface PublishedPort {
  readonly hostAddress: string;
  readonly hostPort: number;
  /** A node port of the cluster, or a port that a host-network pod of the first node listens on. */
  readonly nodePort: number;
}

/** A cluster as wanted, with every default filled in. */
export interface ClusterConfig {
  readonly name: string;
  readonly nodes: number;
  /** Nodes without containers, in the control plane's process. */
  readonly simulate: boolean;
  /** How the pods of simulated nodes live. */
  readonly behaviours?: readonly PodBehaviour[];
  /** Nodes may reach the world outside (for image pulls). */
  readonly egress: boolean;
  /** Port of the API on 127.0.0.1; absent: 6443, or a free one when that is taken. */
  readonly apiPort?: number;
  readonly ports: readonly PublishedPort[];
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly clusterDomain: string;
  readonly maxPods: number;
  /** Files that configure the kubelets. */
  readonly kubelet?: KubeletFiles;
  /** Which controllers run, as --controllers of Kubernetes. */
  readonly controllers?: readonly string[];
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** Versions and kinds to serve or not, as --runtime-config of Kubernetes: `api/beta`, `group/version/resource`. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  /** Files that configure the API server. */
  readonly apiServer?: ApiServerFiles;
  /** Files that configure the scheduler. */
  readonly scheduler?: SchedulerFiles;
}

export const defaultClusterName = 'dev';
export const maxClusterNameLength = 32;

export const defaultConfig: ClusterConfig = {
  name: defaultClusterName,
  nodes: 1,
  simulate: false,
  egress: false,
  ports: [],
  podCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/12',
  clusterDomain: 'cluster.local',
  maxPods: 110,
};

/** What the file says that it must not; worded like the API server's answer. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** Why `name` cannot be a cluster's name; undefined when it can. */
export function badClusterName(name: string): string | undefined {
  if (name.length > maxClusterNameLength) return `may not be more than ${maxClusterNameLength} bytes`;
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name))
    return "must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return undefined;
}

/** Reads the file's text; `source` names it in errors. */
export function parseConfig(text: string, source: string): Partial<ClusterConfig> {
  const document = parseDocument(text, { uniqueKeys: true });
  const broken = document.errors[0];
  if (broken) throw new ConfigError(`reading ${source}: ${broken.message.split('\n')[0]!.replace(/:$/, '')}`);
  const value: unknown = document.toJS();
  if (!isMap(value))
    throw new ConfigError(`reading ${source}: it must hold one ${configApiVersion} ClusterConfiguration`);
  if (value.apiVersion !== configApiVersion || value.kind !== 'ClusterConfiguration')
    throw new ConfigError(
      `reading ${source}: no kind ${JSON.stringify(value.kind ?? '')} in version ${JSON.stringify(value.apiVersion ?? '')}: ` +
        `want apiVersion: ${configApiVersion}, kind: ClusterConfiguration`,
    );
  const reader = new Reader();
  const config = readRoot(reader, value);
  reader.finish(source, typeof config.name === 'string' ? config.name : '');
  return config;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Takes fields out of a map with their types checked; what nobody took is unknown. */
class Reader {
  readonly errors = new FieldErrors();
  readonly #unknown: string[] = [];

  map(value: unknown, at: FieldPath, known: readonly string[]): Record<string, unknown> {
    if (value === undefined || value === null) return {};
    if (!isMap(value)) {
      this.errors.typeInvalid(at, value, 'must be a map');
      return {};
    }
    for (const key of Object.keys(value)) if (!known.includes(key)) this.#unknown.push(`${at}` ? `${at}.${key}` : key);
    return value;
  }

  typed<T>(value: unknown, at: FieldPath, type: 'string' | 'number' | 'boolean'): T | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === type) return value as T;
    this.errors.typeInvalid(at, value, `must be a ${type}`);
    return undefined;
  }

  integer(value: unknown, at: FieldPath, min: number, max: number): number | undefined {
    const n = this.typed<number>(value, at, 'number');
    if (n === undefined) return undefined;
    if (Number.isInteger(n) && n >= min && n <= max) return n;
    this.errors.invalid(at, n, `must be between ${min} and ${max}, inclusive`);
    return undefined;
  }

  finish(source: string, name: string): void {
    if (this.#unknown.length) {
      const list = this.#unknown.map(f => `unknown field ${JSON.stringify(f)}`).join(', ');
      throw new ConfigError(`reading ${source}: strict decoding error: ${list}`);
    }
    const { list } = this.errors;
    if (list.length === 0) return;
    const said = list.map(e => `${e.field}: ${e.message}`);
    throw new ConfigError(
      `reading ${source}: The ClusterConfiguration ${JSON.stringify(name)} is invalid: ` +
        (said.length === 1 ? said[0] : `\n${said.map(s => `* ${s}`).join('\n')}`),
    );
  }
}

type Writable<T> = { -readonly [K in keyof T]?: T[K] };

function readRoot(reader: Reader, root: Record<string, unknown>): Partial<ClusterConfig> {
  const config: Writable<ClusterConfig> = {};
  reader.map(root, path(), ['apiVersion', 'kind', 'metadata', 'spec']);
  const metadata = reader.map(root.metadata, path('metadata'), ['name']);
  const name = reader.typed<string>(metadata.name, path('metadata.name'), 'string');
  const badName = name === undefined ? undefined : badClusterName(name);
  if (badName) reader.errors.invalid(path('metadata.name'), name, badName);
  set(config, 'name', name);
  const at = path('spec');
  const spec = reader.map(root.spec, at, [
    'nodes',
    'simulate',
    'behaviours',
    'egress',
    'api',
    'ports',
    'network',
    'kubelet',
    'controllers',
    'featureGates',
    'runtimeConfig',
    'apiServer',
    'scheduler',
  ]);
  set(
    config,
    'nodes',
    reader.integer(spec.nodes, at.child('nodes'), 1, spec.simulate === true ? maxSimulatedNodes : maxLabNodes),
  );
  set(config, 'simulate', reader.typed(spec.simulate, at.child('simulate'), 'boolean'));
  set(config, 'behaviours', readBehaviours(reader, spec.behaviours, at.child('behaviours')));
  set(config, 'egress', reader.typed(spec.egress, at.child('egress'), 'boolean'));
  const api = reader.map(spec.api, at.child('api'), ['port']);
  set(config, 'apiPort', reader.integer(api.port, at.child('api', 'port'), 1, 65535));
  set(config, 'ports', readPorts(reader, spec.ports, at.child('ports')));
  readNetwork(reader, spec.network, at.child('network'), config);
  const kubelet = reader.map(spec.kubelet, at.child('kubelet'), ['maxPods', ...kubeletFileNames]);
  set(config, 'maxPods', reader.integer(kubelet.maxPods, at.child('kubelet', 'maxPods'), 1, 1000));
  set(config, 'kubelet', readKubeletFiles(reader, kubelet, at.child('kubelet')));
  set(config, 'controllers', readNames(reader, spec.controllers, at.child('controllers')));
  set(config, 'featureGates', readGates(reader, spec.featureGates, at.child('featureGates')));
  set(config, 'runtimeConfig', readRuntimeConfig(reader, spec.runtimeConfig, at.child('runtimeConfig')));
  set(config, 'apiServer', readApiServer(reader, spec.apiServer, at.child('apiServer')));
  set(config, 'scheduler', readScheduler(reader, spec.scheduler, at.child('scheduler')));
  return config;
}

function readBehaviours(reader: Reader, value: unknown, at: FieldPath): readonly PodBehaviour[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) {
    reader.errors.typeInvalid(at, value, 'must be a list');
    return undefined;
  }
  return value.flatMap((item, i) => {
    try {
      return [checkPodBehaviour(item)];
    } catch (error) {
      reader.errors.invalid(at.index(i), item, messageOf(error));
      return [];
    }
  });
}

function readScheduler(reader: Reader, value: unknown, at: FieldPath): SchedulerFiles | undefined {
  if (value === undefined || value === null) return undefined;
  const given = reader.map(value, at, ['config', 'plugins']);
  const config = readField(reader, given.config, 'file', at.child('config')) as string | undefined;
  const plugins = readField(reader, given.plugins, 'files', at.child('plugins')) as string[] | undefined;
  return { ...(config ? { config } : {}), ...(plugins ? { plugins } : {}) };
}

function readKubeletFiles(reader: Reader, given: Record<string, unknown>, at: FieldPath): KubeletFiles | undefined {
  const files = kubeletFileNames.flatMap(name => {
    const file = readField(reader, given[name], 'file', at.child(name));
    return file === undefined ? [] : [[name, file] as const];
  });
  return files.length ? Object.fromEntries(files) : undefined;
}

function readApiServer(reader: Reader, value: unknown, at: FieldPath): ApiServerFiles | undefined {
  if (value === undefined || value === null) return undefined;
  const given = reader.map(value, at, Object.keys(apiServerFields));
  const files: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(apiServerFields)) {
    const read = readField(reader, given[name], kind, at.child(name));
    if (read !== undefined) files[name] = read;
  }
  return files as ApiServerFiles;
}

function readField(reader: Reader, value: unknown, kind: FieldKind, at: FieldPath): unknown {
  switch (kind) {
    case 'integer':
      return reader.integer(value, at, 0, 2 ** 31 - 1);
    case 'number': {
      const number = reader.typed<number>(value, at, 'number');
      if (number === undefined || number >= 0) return number;
      reader.errors.invalid(at, number, 'must be greater than or equal to 0');
      return undefined;
    }
    case 'boolean':
      return reader.typed<boolean>(value, at, 'boolean');
    case 'texts':
      return readNames(reader, value, at);
    case 'files':
      return readNames(reader, value, at)?.filter((file, i) => isAbsolutePath(reader, file, at.index(i)));
    case 'output':
    case 'file': {
      const file = reader.typed<string>(value, at, 'string');
      if (kind === 'output' && file === '-') return file;
      return file !== undefined && isAbsolutePath(reader, file, at) ? file : undefined;
    }
    case 'duration': {
      const text = reader.typed<string>(value, at, 'string');
      try {
        if (text !== undefined) parseDuration(text);
      } catch (error) {
        reader.errors.invalid(at, text, messageOf(error));
      }
      return text;
    }
    default:
      return reader.typed<string>(value, at, 'string');
  }
}

function isAbsolutePath(reader: Reader, file: string, at: FieldPath): boolean {
  if (isAbsolute(file)) return true;
  reader.errors.invalid(at, file, 'must be an absolute path');
  return false;
}

function readNames(reader: Reader, value: unknown, at: FieldPath): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.flatMap((v, i) => reader.typed<string>(v, at.index(i), 'string') ?? []);
  reader.errors.typeInvalid(at, value, 'must be a list');
  return undefined;
}

function readGates(reader: Reader, value: unknown, at: FieldPath): Record<string, boolean> | undefined {
  if (value === undefined || value === null) return undefined;
  const gates = readSwitches(reader, value, at);
  try {
    featureGates(gates);
  } catch (error) {
    reader.errors.invalid(at, gates, messageOf(error));
  }
  return gates;
}

function readRuntimeConfig(reader: Reader, value: unknown, at: FieldPath): Record<string, boolean> | undefined {
  if (value === undefined || value === null) return undefined;
  const switches = readSwitches(reader, value, at);
  try {
    servedResources(builtinResources().resources, switches, () => true);
  } catch (error) {
    reader.errors.invalid(at, switches, messageOf(error));
  }
  return switches;
}

function readSwitches(reader: Reader, value: unknown, at: FieldPath): Record<string, boolean> {
  const switches: Record<string, boolean> = {};
  if (!isMap(value)) reader.errors.typeInvalid(at, value, 'must be a map');
  else
    for (const [name, v] of Object.entries(value)) {
      const on = reader.typed<boolean>(v, at.key(name), 'boolean');
      if (on !== undefined) switches[name] = on;
    }
  return switches;
}

function set<K extends keyof ClusterConfig>(
  config: Writable<ClusterConfig>,
  key: K,
  value: ClusterConfig[K] | undefined,
) {
  if (value !== undefined) config[key] = value;
}

function readPorts(reader: Reader, value: unknown, at: FieldPath): PublishedPort[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) {
    reader.errors.typeInvalid(at, value, 'must be a list');
    return undefined;
  }
  const seen = new Set<string>();
  return value.flatMap((item, i) => {
    const here = at.index(i);
    const fields = reader.map(item, here, ['hostAddress', 'hostPort', 'nodePort']);
    for (const key of ['hostPort', 'nodePort']) if (fields[key] === undefined) reader.errors.required(here.child(key));
    const hostAddress = reader.typed<string>(fields.hostAddress, here.child('hostAddress'), 'string') ?? '127.0.0.1';
    const hostPort = reader.integer(fields.hostPort, here.child('hostPort'), 1, 65535);
    const nodePort = reader.integer(fields.nodePort, here.child('nodePort'), 1, 65535);
    if (hostPort === undefined || nodePort === undefined) return [];
    const id = `${hostAddress}:${hostPort}`;
    if (seen.has(id)) reader.errors.duplicate(here.child('hostPort'), hostPort);
    seen.add(id);
    return [{ hostAddress, hostPort, nodePort }];
  });
}

function readNetwork(reader: Reader, value: unknown, at: FieldPath, config: Writable<ClusterConfig>): void {
  const network = reader.map(value, at, ['podCIDR', 'serviceCIDR', 'clusterDomain']);
  set(config, 'podCidr', readCidr(reader, network.podCIDR, at.child('podCIDR'), 22));
  set(config, 'serviceCidr', readCidr(reader, network.serviceCIDR, at.child('serviceCIDR'), 24));
  const domain = reader.typed<string>(network.clusterDomain, at.child('clusterDomain'), 'string');
  if (domain !== undefined && !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(domain))
    reader.errors.invalid(at.child('clusterDomain'), domain, 'must be a DNS name');
  set(config, 'clusterDomain', domain);
}

function readCidr(reader: Reader, value: unknown, at: FieldPath, longestPrefix: number): string | undefined {
  const cidr = reader.typed<string>(value, at, 'string');
  if (cidr === undefined) return undefined;
  const parts = cidr
    .match(/^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/)
    ?.slice(1)
    .map(Number);
  const valid = parts?.slice(0, 4).every(n => n <= 255) && parts[4]! >= 8 && parts[4]! <= longestPrefix;
  if (valid) return cidr;
  reader.errors.invalid(
    at,
    cidr,
    `must be an IPv4 CIDR of prefix length 8 to ${longestPrefix}, (e.g. 10.9.8.0/${longestPrefix})`,
  );
  return undefined;
}

/** `8080:80` or `127.0.0.1:8080:80`; throws RangeError. */
export function parsePort(text: string): PublishedPort {
  const parts = text.split(':');
  const [nodeText = '', hostText = '', hostAddress = '127.0.0.1'] = parts.reverse();
  const valid = (t: string) => /^\d{1,5}$/.test(t) && Number(t) >= 1 && Number(t) <= 65535;
  if (parts.length > 3 || !valid(nodeText) || !valid(hostText) || !/^[\d.]+$/.test(hostAddress))
    throw new RangeError(`${JSON.stringify(text)} is no port mapping: want HOSTPORT:NODEPORT, as 8080:30080`);
  return { hostAddress, hostPort: Number(hostText), nodePort: Number(nodeText) };
}

/** The host-th address of the service network: 1 for the API server, 10 for DNS. */
export { hostAddress as serviceAddress } from './lab/kernel/lab-plan.ts';
