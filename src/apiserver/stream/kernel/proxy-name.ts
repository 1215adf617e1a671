// `[scheme:]name[:port]` of proxied pods, services and nodes.

export interface ProxyName {
  /** '' means http. */
  readonly scheme: '' | 'http' | 'https' | 'tcp';
  readonly name: string;
  /** A number, a name, or ''. */
  readonly port: string;
}

const schemes = new Set(['', 'http', 'https', 'tcp']);
const portName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Undefined for what is no such name. */
export function parseProxyName(text: string): ProxyName | undefined {
  const parts = text.split(':');
  const [scheme, name, port] =
    parts.length === 1 ? ['', parts[0]!, ''] : parts.length === 2 ? ['', parts[0]!, parts[1]!] : parts;
  if (parts.length > 3 || !name || !schemes.has(scheme!) || !isPort(port!)) return undefined;
  return { scheme: scheme as ProxyName['scheme'], name, port: port! };
}

function isPort(text: string): boolean {
  if (text === '') return true;
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= 65535;
  return text.length <= 15 && portName.test(text) && !text.includes('--') && /[a-z]/.test(text);
}

const pattern = /^\/api\/v1\/(?:namespaces\/[^/]+\/)?[^/]+\/[^/]+\/proxy(\/.*)?$/;

/** What follows `proxy` in a decoded path, made straight: '' or with its slash. */
export function proxiedPath(path: string): string {
  const asked = pattern.exec(path)?.[1];
  if (asked === undefined) return '';
  const parts: string[] = [];
  for (const part of asked.split('/'))
    if (part === '..') parts.pop();
    else if (part && part !== '.') parts.push(part);
  return `/${parts.join('/')}${parts.length && asked.endsWith('/') ? '/' : ''}`;
}

/**
 * Addresses that lead elsewhere than to a pod or node: loopback and link-local ones would reach this server's own
 * machine, or the cloud's metadata.
 */
export function isProxyable(address: string): boolean {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address))
    return !/^(0\.|127\.|169\.254\.|22[4-9]\.|23\d\.|255\.255\.255\.255$)/.test(address);
  const lower = address.toLowerCase();
  return lower.includes(':') && !/^(::1?$|fe[89ab]|ff)/.test(lower);
}
