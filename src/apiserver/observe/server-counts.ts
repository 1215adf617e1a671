// What the server counts of requests beside how long they took, held as plain numbers until somebody asks.
import { BucketCounts, bucketSamples } from '../../base/bucket-counts.ts';
import { isLegacyName, isWeaklySigned } from '../../base/http/server-identity.ts';
import { CellCounter, CellHistogram } from '../../base/metric-cells.ts';
import { defaultBuckets, exponentialBuckets, linearBuckets, type Metrics } from '../../base/metrics.ts';
import { type RestClientMetrics, restClientMetrics } from '../../client/rest-client-metrics.ts';
import { AllocationCounts } from '../allocation/allocation-counts.ts';

type LegacyPeer = 'webhooks' | 'kube_aggregator';

interface Named {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

const watchListBuckets = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60];
const frameBuckets = exponentialBuckets(1024, 2, 8);

export class ServerCounts {
  readonly #frames = new Map<string, { readonly labels: Record<string, string>; readonly sizes: BucketCounts }>();
  readonly #bodies: CellHistogram;
  readonly #own: CellCounter;
  readonly #watchLists: CellHistogram;
  readonly #conversions: CellHistogram;
  readonly #csr: Record<'requested' | 'honored', CellCounter>;
  readonly allocations: AllocationCounts;
  /** Requests to webhooks. */
  readonly clients: RestClientMetrics;
  readonly #repairs: Record<string, CellCounter>;
  /** Expressions of admission policies made ready, a policy at a time. */
  readonly celCompilation: BucketCounts;
  /** Of an expression of an admission policy, or of all of a custom object's rules. */
  readonly celEvaluation: BucketCounts;
  readonly #graphActions: CellHistogram;
  /** Servers behind this one whose certificates are of long ago. */
  readonly #legacy: Record<LegacyPeer, Record<'missing_san' | 'insecure_sha1', CellCounter>>;
  /** Connections that did not get through TLS. */
  handshakeErrors = 0;
  /** Times that discovery of all groups was put together. */
  discoveryAggregations = 0;

  constructor(metrics: Metrics) {
    this.#bodies = new CellHistogram(
      metrics,
      'apiserver_request_body_size_bytes',
      '[ALPHA] Apiserver request body size in bytes broken out by resource and verb.',
      linearBuckets(50_000, 100_000, 31),
    );
    this.#own = new CellCounter(
      metrics,
      'apiserver_selfrequest_total',
      '[ALPHA] Counter of apiserver self-requests broken out for each verb, API resource and subresource.',
    );
    this.#watchLists = new CellHistogram(
      metrics,
      'apiserver_watch_list_duration_seconds',
      '[ALPHA] Response latency distribution in seconds for watch list requests broken by group, version, resource and scope.',
      watchListBuckets,
    );
    this.#conversions = new CellHistogram(
      metrics,
      'apiserver_crd_webhook_conversion_duration_seconds',
      '[ALPHA] CRD webhook conversion duration in seconds',
      exponentialBuckets(0.001, 2, 15),
    );
    const csr = (what: string, help: string) =>
      new CellCounter(
        metrics,
        `apiserver_certificates_registry_csr_${what}_duration_total`,
        `[ALPHA] Total number of issued CSRs with a requested duration${help}, sliced by signer (only kubernetes.io signer names are specifically identified)`,
      );
    this.#csr = { requested: csr('requested', ''), honored: csr('honored', ' that was honored') };
    this.allocations = new AllocationCounts(metrics);
    this.clients = restClientMetrics(metrics);
    const repairs = (what: string, of: string) =>
      new CellCounter(
        metrics,
        `apiserver_${what}_errors_total`,
        `[ALPHA] Number of errors detected on ${of} by the repair loop broken down by type of error: leak, repair, full, outOfRange, duplicate, unknown, invalid`,
      );
    this.#repairs = {
      apiserver_clusterip_repair_ip_errors_total: repairs('clusterip_repair_ip', 'clusterips'),
      apiserver_nodeport_repair_port_errors_total: repairs('nodeport_repair_port', 'ports'),
    };
    const cel = (what: string) => {
      const name = `apiserver_cel_${what}_duration_seconds`;
      const counts = new BucketCounts(defaultBuckets);
      metrics.source(name, `[BETA] CEL ${what} time in seconds.`, 'histogram', () => bucketSamples(name, {}, counts));
      return counts;
    };
    this.celCompilation = cel('compilation');
    this.celEvaluation = cel('evaluation');
    this.#graphActions = new CellHistogram(
      metrics,
      'node_authorizer_graph_actions_duration_seconds',
      '[ALPHA] Histogram of duration of graph actions in node authorizer.',
      exponentialBuckets(0.0001, 2, 12),
    );
    const legacy = (peer: LegacyPeer) => {
      const counter = (what: string, of: string, why: string) => {
        const help = `[ALPHA] Counts the number of requests to servers ${of} in their serving certificate OR the number of connection failures due to the ${why} (either/or, based on the runtime environment)`;
        const made = new CellCounter(metrics, `apiserver_${peer}_x509_${what}_total`, help);
        made.add('', () => ({}), 0);
        return made;
      };
      return {
        missing_san: counter('missing_san', 'missing SAN extension', 'lack of x509 certificate SAN extension missing'),
        insecure_sha1: counter('insecure_sha1', 'with insecure SHA1 signatures', 'insecure SHA1 signatures'),
      };
    };
    this.#legacy = { webhooks: legacy('webhooks'), kube_aggregator: legacy('kube_aggregator') };
    metrics.source(
      'apiserver_tls_handshake_errors_total',
      "[ALPHA] Number of requests dropped with 'TLS handshake error from' error",
      'counter',
      () => [{ labels: {}, value: this.handshakeErrors }],
    );
    metrics.source(
      'aggregator_discovery_aggregation_count_total',
      '[ALPHA] Counter of number of times discovery was aggregated',
      'counter',
      () => [{ labels: {}, value: this.discoveryAggregations }],
    );
    const sizes = 'apiserver_watch_events_sizes';
    metrics.source(sizes, '[ALPHA] Watch event size distribution in bytes', 'histogram', () =>
      [...this.#frames.values()]
        .filter(f => f.sizes.counts.some(n => n > 0))
        .flatMap(f => bucketSamples(sizes, f.labels, f.sizes)),
    );
    metrics.source('apiserver_watch_events_total', '[ALPHA] Number of events sent in watch clients', 'counter', () =>
      [...this.#frames.values()]
        .map(f => ({ labels: f.labels, value: f.sizes.counts.reduce((sum, n) => sum + n, 0) }))
        .filter(s => s.value > 0),
    );
  }

  /** Where the sizes of events of a resource's watches are counted. */
  frames({ group, version, resource }: Named): BucketCounts {
    const key = `${group}/${version}/${resource}`;
    let found = this.#frames.get(key);
    if (!found) {
      found = { labels: { group, resource, version }, sizes: new BucketCounts(frameBuckets) };
      this.#frames.set(key, found);
    }
    return found.sizes;
  }

  body({ group, resource }: Named, asked: string, bytes: number): void {
    const verb = asked === 'deletecollection' ? 'delete_collection' : asked;
    this.#bodies.cell(`${verb} ${group} ${resource}`, () => ({ group, resource, verb })).observe(bytes);
  }

  /** A watch that begins with what there is has told all of it. */
  watchList({ group, version, resource }: Named, scope: string, seconds: number): void {
    this.#watchLists
      .cell(`${group}/${version}/${resource} ${scope}`, () => ({ group, resource, scope, version }))
      .observe(seconds);
  }

  /** A webhook was asked to convert custom resources. */
  conversion(name: string, from: string, to: string, succeeded: boolean, seconds: number): void {
    this.#conversions
      .cell(`${name} ${from} ${to} ${succeeded}`, () => ({
        ...{ crd_name: name, from_version: from, succeeded: String(succeeded), to_version: to },
      }))
      .observe(seconds);
  }

  /** A certificate was issued to whom asked for a lifetime. */
  csr(signer: string, honored: boolean): void {
    const signerName = signer.startsWith('kubernetes.io/') ? signer : 'other';
    const labels = () => ({ signerName });
    this.#csr.requested.add(signerName, labels);
    if (honored) this.#csr.honored.add(signerName, labels);
  }

  /** Where an action on the graph that kubelets are authorized by is counted: `AddPod`. */
  graphAction(operation: string): BucketCounts {
    return this.#graphActions.cell(operation, () => ({ operation }));
  }

  /** A connection failed; counted where the server's certificate is to blame. */
  refusedPeer(peer: LegacyPeer, error: unknown): void {
    const counters = this.#legacy[peer];
    if (isLegacyName(error)) counters.missing_san.add('', () => ({}));
    else if (isWeaklySigned(error)) counters.insecure_sha1.add('', () => ({}));
  }

  /** A repair loop found something wrong. */
  repair(metric: string, type: string): void {
    this.#repairs[metric]?.add(type, () => ({ type }));
  }

  /** The server asked itself. */
  own(verb: string, { group, resource }: Pick<Named, 'group' | 'resource'>, subresource: string): void {
    this.#own.add(`${verb} ${group} ${resource} ${subresource}`, () => ({ group, resource, subresource, verb }));
  }
}
