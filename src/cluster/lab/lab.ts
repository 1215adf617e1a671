// Makes and removes what lab-plan.ts plans, through iproute2 and nft. Everything is found again by name, so that removal
// also works after a crash, with a damaged state file or by another version.
import { readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { exec } from '../host/exec.ts';
import { readIfThere } from '../host/file.ts';
import {
  type EgressPlan,
  egressLinkOf,
  egressSwitchLines,
  egressTableOf,
  isLabNamespace,
  type LabPlan,
} from './kernel/lab-plan.ts';

export const namespaceDirectory = '/run/netns';
export const namespacePath = (namespace: string): string => `${namespaceDirectory}/${namespace}`;

export interface LabOptions {
  /** A network namespace to use in place of the machine's own; for tests. */
  readonly machineNamespace?: string;
}

const inMachine = (options: LabOptions): string[] => (options.machineNamespace ? ['-n', options.machineNamespace] : []);

/** Makes the lab; on failure removes what it had made. */
export async function createLab(cluster: string, plan: LabPlan, options: LabOptions = {}): Promise<void> {
  try {
    await exec('ip', ['-batch', '-'], { input: lines(plan.create) });
    await Promise.all(
      plan.configure.map(c => exec('ip', ['-n', c.namespace, '-batch', '-'], { input: lines(c.lines) })),
    );
    if (plan.egress) await openEgress(plan.egress, plan.switchNamespace, options);
  } catch (error) {
    await destroyLab(cluster, options).catch(() => {});
    throw error;
  }
}

async function openEgress(egress: EgressPlan, switchNamespace: string, options: LabOptions): Promise<void> {
  await exec('ip', [...inMachine(options), '-batch', '-'], { input: lines(egress.lines) });
  await Promise.all([
    exec('ip', ['-n', switchNamespace, '-batch', '-'], { input: lines(egressSwitchLines) }),
    nft(egress.rules, options),
  ]);
}

/** Removes the cluster's namespaces with all links in them, its egress link and its table. Nothing there: succeeds. */
export async function destroyLab(cluster: string, options: LabOptions = {}): Promise<void> {
  await removeEgress(cluster, options);
  for (let attempt = 1; ; attempt++) {
    const doomed = labNamespaces(cluster).map(n => `netns del ${n}`);
    if (doomed.length === 0) return;
    // Who was killed while making a lab may have left an `ip` that goes on for a moment.
    await exec('ip', ['-force', '-batch', '-'], { input: lines(doomed) }).catch(error => {
      if (attempt >= maxAttempts) throw error;
    });
    if (attempt > maxAttempts) throw new Error(`removing the network of ${cluster}: its namespaces come back`);
  }
}

const maxAttempts = 5;

async function removeEgress(cluster: string, options: LabOptions): Promise<void> {
  const link = egressLinkOf(cluster);
  // Only this process's own links can be looked up without a program; elsewhere just try. Those of /sys belong to the
  // namespace that mounted it.
  const present = options.machineNamespace !== undefined || linkNames().includes(link);
  if (!present) return;
  const table = egressTableOf(cluster);
  // The link last: it is what tells of the table.
  await nft(`table ip ${table}\ndelete table ip ${table}\n`, options);
  await exec('ip', [...inMachine(options), 'link', 'del', link]).catch(() => {});
}

const linkNames = (): string[] =>
  (readIfThere('/proc/net/dev') ?? '').split('\n').map(line => line.slice(0, line.indexOf(':')).trim());

async function nft(rules: string, options: LabOptions): Promise<void> {
  const { machineNamespace } = options;
  const enter = machineNamespace ? ['nsenter', `--net=${namespacePath(machineNamespace)}`] : [];
  const [command = 'nft', ...args] = [...enter, 'nft', '-f', '-'];
  await exec(command, args, { input: rules });
}

/** Names of the cluster's network namespaces that exist. */
export function labNamespaces(cluster: string): string[] {
  return namespaceNames().filter(n => isLabNamespace(cluster, n));
}

export function namespaceNames(): string[] {
  try {
    return readdirSync(namespaceDirectory);
  } catch {
    return [];
  }
}

/** True when every namespace of the plan exists; after a reboot none does. */
export function labIsUp(plan: LabPlan): boolean {
  const present = new Set(namespaceNames());
  return [plan.switchNamespace, ...plan.nodes.map(n => n.namespace)].every(n => present.has(n));
}

/** Networks in use on this machine: of its addresses and its routes. The default route does not count. */
export function machineCidrs(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .flatMap(a => (a.family === 'IPv4' && a.cidr ? [a.cidr] : []));
  return [...addresses, ...parseRoutes(readIfThere('/proc/net/route') ?? '')];
}

/** CIDRs of /proc/net/route, whose numbers are hexadecimal in the machine's byte order. */
export function parseRoutes(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, destination, , , , , , mask] = line.split('\t');
      if (!destination || !mask || mask === '00000000') return [];
      const bits = [...BigInt(`0x${mask}`).toString(2)].filter(b => b === '1').length;
      const bytes = destination.match(/../g)?.reverse() ?? [];
      return [`${bytes.map(b => Number.parseInt(b, 16)).join('.')}/${bits}`];
    });
}

const lines = (list: readonly string[]): string => `${list.join('\n')}\n`;
