// The file of `k8ts up --config`: kind ClusterConfiguration of k8ts.dev/v1alpha1, and what flags make of it.
import { isIPv4 } from 'node:net';
import { isAbsolute } from 'node:path';
import { featureGates } from '../api/feature-gates.ts';
import { type FieldPath, path } from '../api/field-error.ts';
import { builtinResources } from '../api/resource.ts';
import { parseDuration } from '../api/scalar.ts';
import { servedResources } from '../apiserver/runtime-config.ts';
import { messageOf } from '../base/assert.ts';
import { type ApiServerFiles, apiServerFields, type FieldKind } from './api-server-fields.ts';
import { type NetworkConfig, readNetwork } from './config-network.ts';
import { ConfigError, isMap, Reader, readDocument } from './config-reader.ts';
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

/** The pods' network: a larger one than usual where nobody chose it and the nodes are many. */
export function podCidrOf(config: ClusterConfig): string {
  const many = config.simulate && config.nodes > 250 && config.podCidr === defaultConfig.podCidr;
  return many ? podCidrOfMany : config.podCidr;
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
  const value = readDocument(text, source);
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
  for (const [key, text] of Object.entries(readNetwork(reader, spec.network, at.child('network'))))
    set(config, key as keyof NetworkConfig, text);
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
    if (!isMap(item)) return [];
    for (const key of ['hostPort', 'nodePort']) if (fields[key] === undefined) reader.errors.required(here.child(key));
    const hostAddress = reader.typed<string>(fields.hostAddress, here.child('hostAddress'), 'string') ?? '127.0.0.1';
    const hostPort = reader.integer(fields.hostPort, here.child('hostPort'), 1, 65535);
    const nodePort = reader.integer(fields.nodePort, here.child('nodePort'), 1, 65535);
    if (hostPort === undefined || nodePort === undefined) return [];
    if (!isIPv4(hostAddress))
      reader.errors.invalid(here.child('hostAddress'), hostAddress, 'must be an IPv4 address of this machine');
    const id = `${hostAddress}:${hostPort}`;
    if (seen.has(id)) reader.errors.duplicate(here.child('hostPort'), hostPort);
    seen.add(id);
    return [{ hostAddress, hostPort, nodePort }];
  });
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
