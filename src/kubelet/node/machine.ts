import { readdir, readFile, statfs } from 'node:fs/promises';
import { arch, availableParallelism, networkInterfaces, release } from 'node:os';
import type { MachineInfo } from '../option.ts';

async function text(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return '';
  }
}

const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };

/** What this machine is, from /proc, /sys and /etc. */
export async function readMachine(rootDirectory: string): Promise<MachineInfo> {
  const meminfo = await text('/proc/meminfo');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;
  const osRelease = await text('/etc/os-release');
  const disk = await statfs(rootDirectory).catch(() => statfs('/'));
  return {
    machineId: (await text('/etc/machine-id')) || (await text('/var/lib/dbus/machine-id')),
    systemUuid: (await text('/sys/class/dmi/id/product_uuid')) || (await text('/etc/machine-id')),
    bootId: await text('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    operatingSystem: 'linux',
    architecture: goArchitectures[arch()] ?? arch(),
    cores: availableParallelism(),
    memoryBytes: kib('MemTotal'),
    swapBytes: kib('SwapTotal'),
    ephemeralStorageBytes: disk.blocks * disk.bsize,
    hugepages: await hugepages(),
  };
}

async function hugepages(): Promise<Readonly<Record<string, number>>> {
  const base = '/sys/kernel/mm/hugepages';
  const out: Record<string, number> = {};
  for (const dir of await readdir(base).catch(() => [])) {
    const kb = Number(/^hugepages-(\d+)kB$/.exec(dir)?.[1] ?? 0);
    if (!kb) continue;
    const count = Number(await text(`${base}/${dir}/nr_hugepages`)) || 0;
    out[pageName(kb)] = count * kb * 1024;
  }
  return out;
}

/** As resource names say it. */
export const pageName = (kb: number): string =>
  kb % 1048576 === 0 ? `${kb / 1048576}Gi` : kb % 1024 === 0 ? `${kb / 1024}Mi` : `${kb}Ki`;

/** This machine's first global IPv4 address, else its first IPv6 one. */
export function globalAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? []);
  const usable = all.filter(a => !a.internal && !a.address.startsWith('fe80:'));
  const v4 = usable.find(a => a.family === 'IPv4');
  const v6 = usable.find(a => a.family === 'IPv6');
  const first = v4 ?? v6;
  return first ? [first.address] : ['127.0.0.1'];
}

/** MemAvailable. */
export async function availableMemory(): Promise<number> {
  const meminfo = await text('/proc/meminfo');
  return Number(/^MemAvailable:\s+(\d+)/m.exec(meminfo)?.[1] ?? 0) * 1024;
}

/** Process ids in use and the most there can be. */
export async function pidUse(): Promise<{ used: number; max: number }> {
  const load = await text('/proc/loadavg');
  const max = Number(await text('/proc/sys/kernel/pid_max')) || 32768;
  return { used: Number(/\/(\d+) /.exec(load)?.[1] ?? 0), max };
}
