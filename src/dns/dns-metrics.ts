// The names CoreDNS' dashboards know.
import { exponentialBuckets, type Metrics } from '../base/metrics.ts';
import { type Query, type Rcode, rcodes, type Transport } from './kernel/message.ts';

export interface DnsMetrics {
  /** `upstreamRcode` is the number that an upstream's reply had, now or when it was kept. */
  answered(
    query: Query,
    transport: Transport,
    outcome: Rcode | 'FORWARDED' | 'CACHED',
    durationMs: number,
    upstreamRcode?: number,
  ): void;
}

const pluginOf: Partial<Record<string, string>> = { FORWARDED: 'forward', CACHED: 'cache' };
const rcodeNames = Object.keys(rcodes);
// Types beyond these are counted as one, so that questions cannot make up label values.
const countedTypes = new Set(['A', 'AAAA', 'CNAME', 'NS', 'PTR', 'SOA', 'SRV', 'TXT', 'MX', 'ANY', 'DS', 'NAPTR']);

export function dnsMetrics(metrics: Metrics, domain: string): DnsMetrics {
  const fixed = { server: 'dns://:53', view: '' };
  const labels = ['server', 'zone', 'view'];
  const requests = metrics.counter(
    'coredns_dns_requests_total',
    'Counter of DNS requests made per zone, protocol and family.',
    [...labels, 'proto', 'family', 'type'],
  );
  const responses = metrics.counter('coredns_dns_responses_total', 'Counter of response status codes.', [
    ...labels,
    'rcode',
    'plugin',
  ]);
  const duration = metrics.histogram(
    'coredns_dns_request_duration_seconds',
    'Histogram of the time (in seconds) each request took per zone.',
    labels,
    exponentialBuckets(0.00025, 2, 16),
  );
  const suffix = `.${domain}`;
  return {
    answered(query, transport, outcome, durationMs, upstreamRcode = 0) {
      const zone = `.${query.name}`.toLowerCase().endsWith(suffix) ? `${domain}.` : '.';
      const type = countedTypes.has(query.type) ? query.type : 'other';
      const plugin = pluginOf[outcome] ?? 'kubernetes';
      requests.inc({ ...fixed, zone, proto: transport, family: '1', type });
      responses.inc({
        ...fixed,
        zone,
        rcode: plugin === 'kubernetes' ? outcome : (rcodeNames[upstreamRcode] ?? String(upstreamRcode)),
        plugin,
      });
      duration.observe({ ...fixed, zone }, durationMs / 1000);
    },
  };
}
