import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { Conntrack } from './conntrack.ts';
import { proxyMetrics } from './proxy-metrics.ts';

test('connections that could not be forgotten are forgotten with the next change', async () => {
  const deleted: string[] = [];
  let works = false;
  const conntrack = new Conntrack(
    async (_command, args) => {
      if (!works) throw new Error('no memory');
      if (args[0] === '-D') deleted.push(args.join(' '));
      return 'udp 17 29 src=10.244.0.5 dst=10.96.0.10 sport=9 dport=53 src=10.8.0.2 dst=10.244.0.5 sport=53 dport=9\n';
    },
    silentLog,
    proxyMetrics(createMetrics()),
  );
  conntrack.set('a/dns', new Map([['10.96.0.10 53', new Set(['10.8.0.2 53'])]]));
  conntrack.set('a/dns', undefined);
  await conntrack.clean(new Set());
  works = true;
  await conntrack.clean(new Set());
  assert.match(deleted.join('\n'), /^-D -p udp -f ipv4 --orig-dst 10\.96\.0\.10 .* --reply-src 10\.8\.0\.2 /);
});
