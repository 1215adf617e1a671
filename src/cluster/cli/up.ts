import { readFileSync, statSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { formatTime } from '../../api/meta.ts';
import { findProgram } from '../../cri/command.ts';
import { type ClusterConfig, defaultConfig, maxSimulatedNodes, parseConfig, parsePort } from '../config.ts';
import { ConfigError } from '../config-reader.ts';
import { contextOf } from '../kubeconfig-file.ts';
import { chooseNodeCidr, maxLabNodes, nodeNameOf } from '../lab/kernel/lab-plan.ts';
import { machineCidrs } from '../lab/lab.ts';
import { absentSideDirectories } from '../lab/leftover.ts';
import { apiPort, serverChild } from '../prepare.ts';
import { openingStore } from '../role.ts';
import { missingNeeds } from '../setup.ts';
import {
  type ClusterPaths,
  type ClusterState,
  clusterNames,
  clusterPaths,
  isRoot,
  readState,
  stateVersion,
  writeState,
} from '../state.ts';
import { askSupervisor, type ChildStatus, nobodyListens, type SupervisorStatus } from '../supervisor/control.ts';
import { k8tsVersion } from '../version.ts';
import { checkConfig } from './check-config.ts';
import { type CliContext, pathsOf, stateOf } from './context.ts';
import { removeData } from './down.ts';
import { duration } from './duration.ts';
import { needsEgress, readForwarding } from './egress.ts';
import { CliError, exitCode } from './exit.ts';
import { bringUp, halt, isRunning, lastWords, leftoversOf, withLock, withoutSocket } from './lifecycle.ts';

export interface UpOptions {
  readonly name?: string;
  readonly nodes?: string;
  readonly config?: string;
  readonly publish?: readonly string[];
  readonly egress?: string;
  readonly apiPort?: string;
  /** True, or a number of nodes. */
  readonly simulate?: string | boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly output?: string;
}

/** Makes a cluster, or starts a stopped one; one that runs as asked for is left as it is. */
export async function up(context: CliContext, options: UpOptions): Promise<void> {
  const began = context.clock.monotonic();
  const asked = askedConfig(options);
  const paths = pathsOf(options.name ?? asked.name, context.env);
  const timeoutMs = duration(options.timeout ?? '2m');
  await withLock(paths, 'k8ts up', async () => {
    const known = stateOf(paths);
    if (known) refuseChanges(known, asked);
    const running = known && isRunning(known);
    const state = running ? known : known ? await restart(context, paths, known) : await create(context, paths, asked);
    if (options.wait !== false) await waitUntilReady(context, paths, state, timeoutMs);
    const seconds = (context.clock.monotonic() - began) / 1000;
    tell(context, paths, state, options, running ? undefined : seconds);
  });
}

function usage(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (error instanceof RangeError || error instanceof ConfigError) throw new CliError(error.message, exitCode.usage);
    throw error;
  }
}

type Asked = { -readonly [K in keyof ClusterConfig]?: ClusterConfig[K] };

/** What flags and file ask for, and nothing else; flags win. */
function askedConfig(options: UpOptions): Asked {
  let asked: Asked = {};
  if (options.config !== undefined) {
    const text = readConfigFile(options.config);
    usage(() => {
      asked = { ...parseConfig(text, sourceName(options.config!)) };
    });
  }
  if (options.name !== undefined) asked.name = options.name;
  if (options.simulate !== undefined && options.simulate !== false) {
    asked.simulate = true;
    if (typeof options.simulate === 'string') asked.nodes = count('--simulate', options.simulate, maxSimulatedNodes);
  }
  if (options.nodes !== undefined)
    asked.nodes = count('--nodes', options.nodes, asked.simulate ? maxSimulatedNodes : maxLabNodes);
  if (options.apiPort !== undefined) asked.apiPort = count('--api-port', options.apiPort, 65535);
  if (options.egress !== undefined) {
    if (options.egress !== 'on' && options.egress !== 'off')
      throw new CliError(`--egress ${JSON.stringify(options.egress)}: want on or off`, exitCode.usage);
    asked.egress = options.egress === 'on';
  }
  if (options.publish?.length)
    usage(() => {
      asked.ports = options.publish!.map(parsePort);
      checkPorts(asked.ports);
    });
  if (asked.simulate && asked.ports?.length)
    throw new CliError('ports need nodes with containers: simulated ones serve nothing', exitCode.usage);
  if (options.output !== undefined && options.output !== 'json')
    throw new CliError(`--output ${JSON.stringify(options.output)}: want json`, exitCode.usage);
  return asked;
}

/** What the file's own checks say of its list. */
function checkPorts(ports: ClusterConfig['ports']): void {
  const seen = new Set<string>();
  for (const { hostAddress, hostPort } of ports) {
    const id = `${hostAddress}:${hostPort}`;
    if (!isIPv4(hostAddress)) throw new RangeError(`${JSON.stringify(hostAddress)} is no IPv4 address of this machine`);
    if (seen.has(id)) throw new RangeError(`port ${id} is published twice`);
    seen.add(id);
  }
}

const sourceName = (file: string): string => (file === '-' ? 'standard input' : file);

function readConfigFile(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CliError(`reading ${sourceName(file)}: ${(error as Error).message}`, exitCode.usage);
  }
}

function count(flag: string, text: string, max = maxLabNodes): number {
  const n = Number(text);
  if (/^\d+$/.test(text) && n >= 1 && n <= max) return n;
  throw new CliError(`${flag} ${JSON.stringify(text)}: want a number from 1 to ${max}`, exitCode.usage);
}

/** A cluster keeps what it was made with. */
function refuseChanges(state: ClusterState, asked: Asked): void {
  const differing = (Object.keys(asked) as (keyof ClusterConfig)[]).filter(
    key => key !== 'name' && JSON.stringify(asked[key]) !== JSON.stringify(state.config[key]),
  );
  if (differing.length === 0) return;
  const list = differing.map(k => `${k} ${JSON.stringify(state.config[k] ?? null)}, not ${JSON.stringify(asked[k])}`);
  throw new CliError(
    `cluster ${state.config.name} exists with ${list.join('; ')}`,
    exitCode.failure,
    `remove it first (k8ts down --name ${state.config.name}), or take another --name`,
  );
}

async function create(context: CliContext, paths: ClusterPaths, asked: Asked): Promise<ClusterState> {
  const config: ClusterConfig = { ...defaultConfig, ...asked, name: paths.name };
  await checkConfig(config);
  checkMachine(config);
  checkSockets(paths, config);
  if (!config.simulate && leftoversOf(paths).length > 0) await halt(context, paths, undefined);
  const nodeCidr = config.simulate ? undefined : freeNodeCidr(paths.name, context.env);
  const state: ClusterState = {
    version: stateVersion,
    k8ts: k8tsVersion,
    created: formatTime(context.clock.now()),
    config,
    ...(nodeCidr === undefined ? {} : { nodeCidr }),
    apiPort: config.apiPort ?? apiPort,
    absentBefore: absentSideDirectories(),
    ...(needsEgress(config) && !readForwarding() ? { setForwarding: true } : {}),
  };
  writeState(paths, state);
  try {
    return await bringUp(context, paths, state);
  } catch (error) {
    context.talk.close();
    // Nothing was there before, so nothing shall be there after.
    await halt(context, paths, state).catch(() => {});
    await removeData(context, paths, state).catch(() => {});
    throw error;
  }
}

/** What is missing is not what is damaged: that the server tells itself. */
function hasData(store: string): boolean {
  return (statSync(join(store, 'data.mdb'), { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** A stopped cluster comes back as it was. */
export async function restart(context: CliContext, paths: ClusterPaths, state: ClusterState): Promise<ClusterState> {
  checkMachine(state.config);
  if (leftoversOf(paths).length > 0) await halt(context, paths, state);
  if (state.kubeconfig && !hasData(paths.store))
    context.talk.warn(`there is no data in ${paths.store} any more: cluster ${paths.name} starts with nothing`);
  try {
    return await bringUp(context, paths, state);
  } catch (error) {
    context.talk.close();
    await halt(context, paths, state).catch(() => {});
    throw error;
  }
}

function checkMachine(config: ClusterConfig): void {
  if (config.simulate) return;
  const otherwise = 'simulated nodes need none of this: add --simulate';
  if (process.platform !== 'linux')
    throw new CliError(`nodes with containers need Linux, this is ${process.platform}`, exitCode.failure, otherwise);
  if (!isRoot())
    throw new CliError('nodes with containers need root', exitCode.failure, `sudo k8ts up; or: ${otherwise}`);
  const missing = missingNeeds();
  if (missing.length > 0)
    throw new CliError(`missing: ${missing.map(n => n.package).join(', ')}`, exitCode.failure, 'k8ts setup');
}

// What the system has room for in a socket's name, the end mark aside.
const longestSocketPath = process.platform === 'linux' ? 107 : 103;

function checkSockets(paths: ClusterPaths, { simulate, nodes }: ClusterConfig): void {
  const longest = simulate ? paths.controlSocket : `${paths.run}/${nodeNameOf(nodes - 1)}/containerd.sock.ttrpc`;
  if (Buffer.byteLength(longest) <= longestSocketPath) return;
  throw new CliError(
    `the path of a socket, ${longest}, has more than ${longestSocketPath} bytes`,
    exitCode.failure,
    'choose a shorter directory for sockets: K8TS_RUN_DIR with K8TS_STATE_DIR, else XDG_RUNTIME_DIR',
  );
}

function freeNodeCidr(name: string, env: NodeJS.ProcessEnv): string {
  const others = clusterNames(env).flatMap(other => {
    try {
      return readState(clusterPaths(other, env))?.nodeCidr ?? [];
    } catch {
      return [];
    }
  });
  const cidr = chooseNodeCidr(name, [...machineCidrs(), ...others]);
  if (cidr) return cidr;
  throw new CliError(
    'no network is free for the nodes: all of 10.8.0.0/16 is in use on this machine',
    exitCode.failure,
    'see ip route; clusters that are down no longer take any',
  );
}

/** Follows the processes until all do their work. */
export async function waitUntilReady(
  context: CliContext,
  paths: ClusterPaths,
  state: ClusterState,
  timeoutMs: number,
): Promise<void> {
  const expired = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([context.signal, expired]);
  const waiting = new Map<string, ReturnType<CliContext['talk']['phase']>>();
  const names = (child: ChildStatus) => (child.name === serverChild ? 'control plane' : child.name);
  let last: readonly ChildStatus[] = [];
  for await (const status of statuses(paths, signal)) {
    last = status.children;
    for (const child of status.children) {
      if (child.state === 'ready') {
        waiting.get(child.name)?.done(`${names(child)} ready`);
        waiting.delete(child.name);
      } else if (!waiting.has(child.name)) {
        waiting.set(child.name, context.talk.phase(`starting ${names(child)}`));
      }
      if (child.restarts >= 3 && child.state !== 'ready') throw crashed(context, paths, child);
    }
    if (status.children.every(c => c.state === 'ready')) return;
  }
  context.talk.close();
  if (context.signal.aborted)
    throw new CliError(
      'interrupted; the cluster goes on starting',
      exitCode.interrupted,
      `remove it: k8ts down --name ${paths.name}`,
    );
  if (!expired.aborted)
    throw new CliError('the supervisor ended', exitCode.failure, `see ${paths.logs}/supervisor.log`);
  const late = last.filter(c => c.state !== 'ready').map(c => `${names(c)} (${c.phase ?? c.state})`);
  throw new CliError(
    `cluster ${state.config.name} is not ready after ${timeoutMs / 1000} s: ${late.join(', ') || 'its supervisor says nothing'}`,
    exitCode.timeout,
    `it goes on starting; see k8ts status and k8ts logs --name ${paths.name}`,
  );
}

async function* statuses(paths: ClusterPaths, signal: AbortSignal): AsyncGenerator<SupervisorStatus> {
  try {
    yield* askSupervisor(paths.controlSocket, { op: 'watch' }, signal);
  } catch (error) {
    throw nobodyListens(error) ? withoutSocket(paths) : error;
  }
}

function crashed(context: CliContext, paths: ClusterPaths, child: ChildStatus): CliError {
  context.talk.close();
  for (const line of lastWords(paths, child.name)) context.talk.say(`  ${child.name} | ${line}`);
  const { name } = paths;
  // The store's library ends the process at a page that is not what it was.
  const died = child.phase === openingStore && /SIG(ABRT|BUS|SEGV)/.test(child.lastExit ?? '');
  const why = died ? `the data in ${paths.store} is damaged` : child.phase;
  const backup = /is damaged/.test(why ?? '')
    ? `put a backup in its place: k8ts store restore FILE --name ${name}; `
    : '';
  return new CliError(
    `${child.name} ended ${child.restarts} times (${child.lastExit})${why ? `: ${why}` : ''}`,
    exitCode.failure,
    `${backup}all of it: k8ts logs ${child.name} --name ${name}; remove the cluster: k8ts down --name ${name}`,
  );
}

function tell(
  context: CliContext,
  paths: ClusterPaths,
  state: ClusterState,
  options: UpOptions,
  seconds: number | undefined,
): void {
  const server = `https://127.0.0.1:${state.apiPort}`;
  const { config } = state;
  if (options.output === 'json') {
    const kubeconfig = state.kubeconfig?.path ?? paths.kubeconfig;
    const data = { name: config.name, nodes: config.nodes, simulated: config.simulate, server, kubeconfig };
    context.print(
      `${JSON.stringify({ ...data, context: contextOf(config.name), alreadyRunning: seconds === undefined })}\n`,
    );
    return;
  }
  const nodes = `${config.nodes} ${config.simulate ? 'simulated ' : ''}node${config.nodes === 1 ? '' : 's'}`;
  const { talk } = context;
  if (seconds === undefined) talk.say(`Cluster ${config.name} is already running: ${nodes}, ${server}`);
  else if (options.wait === false) talk.say(`Cluster ${config.name} is starting: ${nodes}, ${server}`);
  else talk.say(`Cluster ${config.name} is up in ${seconds.toFixed(1)} s: ${nodes}, ${server}`);
  const name = config.name === defaultConfig.name ? '' : ` --name ${config.name}`;
  talk.say('');
  talk.say('Next:');
  talk.say(`  kubectl get nodes                 # context ${contextOf(config.name)} in ${state.kubeconfig?.path}`);
  talk.say('  kubectl create deployment web --image=IMAGE --replicas=2');
  if (!config.simulate) talk.say(`  k8ts image load IMAGE.tar${name}     # an image without a registry`);
  talk.say(`  k8ts status${name}                       # and: k8ts logs, k8ts stop, k8ts down`);
  if (!findProgram('kubectl', context.env.PATH))
    talk.say('There is no kubectl on the PATH: https://kubernetes.io/docs/tasks/tools/ tells how to install it.');
}
