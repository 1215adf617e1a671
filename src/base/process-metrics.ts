// What every Go program tells of its process, read when asked: process_* and the part of go_* that has a meaning here.
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from './clock.ts';
import type { Metrics, Sample } from './metrics.ts';

const one = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ labels: {}, value }]);

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    // No such file outside Linux.
    return undefined;
  }
}

const statusKilobytes = (name: string) => {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return found ? Number(found[1]) * 1024 : undefined;
};

/** Of all that have the process's network: as what the system counts of IP. */
function networkBytes(direction: 'InOctets' | 'OutOctets'): number | undefined {
  const [names, values] = readFileSync('/proc/self/net/netstat', 'utf8').match(/^IpExt:.*$/gm) ?? [];
  const at = names?.split(' ').indexOf(direction) ?? -1;
  return at > 0 ? Number(values?.split(' ')[at]) : undefined;
}

const mostFiles = () => Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);

/** As Go's client: what is unlimited is 2^64. */
function mostMemory(): number {
  const soft = /^Max address space\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === 'unlimited' ? 2 ** 64 : Number(soft);
}

export function reportProcess(metrics: Metrics, clock: Clock): void {
  const startedSeconds = clock.now() / 1000 - process.uptime();
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    metrics.source(name, help, 'gauge', () => one(attempt(read)));
  metrics.source('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', 'counter', () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () => startedSeconds);
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  gauge('process_virtual_memory_bytes', 'Virtual memory size in bytes.', () => statusKilobytes('VmSize'));
  gauge('process_virtual_memory_max_bytes', 'Maximum amount of virtual memory available in bytes.', mostMemory);
  gauge('go_threads', 'Number of OS threads created.', () =>
    Number(/^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]),
  );
  gauge('process_open_fds', 'Number of open file descriptors.', () => readdirSync('/proc/self/fd').length);
  gauge('process_max_fds', 'Maximum number of open file descriptors.', mostFiles);
  for (const [name, what, direction] of [
    ['receive', 'received', 'InOctets'],
    ['transmit', 'sent', 'OutOctets'],
  ] as const)
    metrics.source(
      `process_network_${name}_bytes_total`,
      `Number of bytes ${what} by the process over the network.`,
      'counter',
      () => one(attempt(() => networkBytes(direction))),
    );
  gauge(
    'go_goroutines',
    'Number of goroutines that currently exist: here, of what the event loop waits for.',
    () => process.getActiveResourcesInfo().length,
  );
  gauge('go_memstats_alloc_bytes', 'Number of bytes allocated and still in use.', () => process.memoryUsage().heapUsed);
  gauge(
    'go_memstats_heap_alloc_bytes',
    'Number of heap bytes allocated and still in use.',
    () => process.memoryUsage().heapUsed,
  );
  gauge(
    'go_memstats_heap_sys_bytes',
    'Number of heap bytes obtained from system.',
    () => process.memoryUsage().heapTotal,
  );
  metrics.source('go_info', 'Information about the environment: here, of Node.', 'gauge', () => [
    { labels: { version: `node${process.versions.node}` }, value: 1 },
  ]);
}
