// resolv.conf by dnsPolicy and dnsConfig, hostnames, the managed /etc/hosts.
import type { Pod, PodDNSConfig } from '../../api/type/core-v1.ts';

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

const maxNameservers = 3;
export const maxSearches = 32;
export const maxSearchChars = 2048;

export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/[#;].*$/, '').trim();
    const [word, ...rest] = line.split(/\s+/);
    if (word === 'nameserver' && rest[0]) nameservers.push(rest[0]);
    else if (word === 'search') searches = rest.map(s => (s === '.' ? s : s.replace(/\.$/, ''))).filter(s => s !== '');
    else if (word === 'options') options = rest;
  }
  return { nameservers, searches, options };
}

export interface DnsInput {
  readonly pod: Pod;
  readonly host: ResolvConf;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
}

export interface DnsResult {
  readonly config: ResolvConf;
  /** Messages of Warning events: MissingClusterDNS, DNSConfigForming. */
  readonly warnings: readonly { readonly reason: string; readonly message: string }[];
}

export function podDns({ pod, host, clusterDns, clusterDomain }: DnsInput): DnsResult {
  const warnings: { reason: string; message: string }[] = [];
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  let mode: 'cluster' | 'host' | 'none' = 'cluster';
  if (policy === 'None') mode = 'none';
  else if (policy === 'Default' || (policy === 'ClusterFirst' && pod.spec.hostNetwork)) mode = 'host';
  if (mode === 'cluster' && clusterDns.length === 0) {
    const { name, namespace, uid } = pod.metadata;
    warnings.push({
      reason: 'MissingClusterDNS',
      message: `pod: "${name}_${namespace}(${uid})". kubelet does not have ClusterDNS IP configured and cannot create Pod using "${policy}" policy. Falling back to "Default" policy.`,
    });
    mode = 'host';
  }
  let config: ResolvConf = { nameservers: [], searches: [], options: [] };
  if (mode === 'host') config = host;
  if (mode === 'cluster') {
    const ns = pod.metadata.namespace ?? 'default';
    const cluster = clusterDomain ? [`${ns}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain] : [];
    config = {
      nameservers: clusterDns,
      searches: unique([...cluster, ...host.searches]),
      options: ['ndots:5'],
    };
  }
  if (pod.spec.dnsConfig) config = appendDnsConfig(config, pod.spec.dnsConfig);
  return { config: withinLimits(config, warnings), warnings };
}

const unique = (list: readonly string[]) => [...new Set(list)];

function appendDnsConfig(base: ResolvConf, extra: PodDNSConfig): ResolvConf {
  const options = new Map(base.options.map(o => [o.split(':')[0]!, o]));
  for (const o of extra.options ?? []) {
    if (o.name) options.set(o.name, o.value !== undefined ? `${o.name}:${o.value}` : o.name);
  }
  return {
    nameservers: unique([...base.nameservers, ...(extra.nameservers ?? [])]),
    searches: unique([...base.searches, ...(extra.searches ?? [])]),
    options: [...options.values()],
  };
}

function withinLimits(config: ResolvConf, warnings: { reason: string; message: string }[]): ResolvConf {
  let { nameservers, searches } = config;
  if (nameservers.length > maxNameservers) {
    nameservers = nameservers.slice(0, maxNameservers);
    warnings.push({
      reason: 'DNSConfigForming',
      message: `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${nameservers.join(' ')}`,
    });
  }
  const all = searches;
  searches = searches.slice(0, maxSearches);
  while (searches.join(' ').length > maxSearchChars) searches = searches.slice(0, -1);
  if (searches.length < all.length)
    warnings.push({
      reason: 'DNSConfigForming',
      message: `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`,
    });
  return { ...config, nameservers, searches };
}

export interface PodHostname {
  readonly hostname: string;
  /** `subdomain.namespace.svc.domain` when the pod has a subdomain; else empty. */
  readonly domain: string;
}

const maxHostname = 63;
const maxFqdn = 64;

/** The pod's own name: spec.hostname, else its name cut to 63 characters. Throws what Kubernetes says of a name too long. */
export function podHostname(pod: Pod, clusterDomain: string): PodHostname {
  if (pod.spec.hostnameOverride) return { hostname: pod.spec.hostnameOverride, domain: '' };
  const { subdomain } = pod.spec;
  const domain = subdomain ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '';
  let hostname = pod.spec.hostname ?? pod.metadata.name ?? '';
  if (hostname.length > maxHostname) hostname = hostname.slice(0, maxHostname).replace(/[-.]+$/, '');
  if (pod.spec.setHostnameAsFQDN && domain) {
    const fqdn = `${hostname}.${domain}`;
    if (fqdn.length > maxFqdn)
      throw new Error(
        `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${maxFqdn} characters is the max, ${fqdn.length} characters requested)`,
      );
    return { hostname: fqdn, domain };
  }
  return { hostname, domain };
}

function aliasLines(pod: Pod): string {
  const aliases = pod.spec.hostAliases ?? [];
  if (!aliases.length) return '';
  return `\n# Entries added by HostAliases.\n${aliases.map(a => `${a.ip}\t${(a.hostnames ?? []).join('\t')}\n`).join('')}`;
}

/** The kubelet's /etc/hosts of a pod with a network of its own. */
export function managedHosts(pod: Pod, ips: readonly string[], name: PodHostname): string {
  const own =
    pod.spec.setHostnameAsFQDN && name.domain ? name.hostname.slice(0, -name.domain.length - 1) : name.hostname;
  const names = name.domain ? `${own}.${name.domain}\t${own}` : own;
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map(ip => `${ip}\t${names}`),
  ];
  return `${lines.join('\n')}\n${aliasLines(pod)}`;
}

/** The /etc/hosts of a pod on the host's network: the host's own and the aliases. */
export function hostNetworkHosts(pod: Pod, hostFile: string): string {
  return `# Kubernetes-managed hosts file (host network).\n${hostFile}${aliasLines(pod)}`;
}
