// EgressSelectorConfiguration (apiserver.k8s.io): read and checked.
import { existsSync } from 'node:fs';
import { FieldErrors, path } from '../../api/field-error.ts';
import { readDocument } from '../configuration/document.ts';

export type EgressName = 'cluster' | 'controlplane' | 'etcd';

export interface TlsFiles {
  readonly caBundle?: string;
  readonly clientKey?: string;
  readonly clientCert?: string;
  readonly tlsServerName?: string;
}

export interface Connection {
  readonly proxyProtocol?: string;
  readonly transport?: {
    readonly tcp?: { readonly url?: string; readonly tlsConfig?: TlsFiles };
    readonly uds?: { readonly udsName?: string };
  };
}

/** What is not named is reached from here. */
export type EgressSelections = ReadonlyMap<EgressName, Connection>;

interface EgressSelectorConfiguration {
  readonly egressSelections?: readonly { readonly name?: string; readonly connection?: Connection }[];
}

const tlsFields = { caBundle: 'string', clientKey: 'string', clientCert: 'string', tlsServerName: 'string' } as const;
const transport = {
  go: 'Transport',
  fields: {
    tcp: { go: 'TCPTransport', fields: { url: 'string', tlsConfig: { go: 'TLSConfig', fields: tlsFields } } },
    uds: { go: 'UDSTransport', fields: { udsName: 'string' } },
  },
} as const;
const document = {
  kind: 'EgressSelectorConfiguration',
  group: 'apiserver.k8s.io',
  versions: ['v1beta1', 'v1alpha1'],
  asWritten: true,
  fields: {
    egressSelections: [
      {
        go: 'EgressSelection',
        fields: {
          name: 'string',
          connection: { go: 'Connection', fields: { proxyProtocol: 'string', transport } },
        },
      },
    ],
  },
} as const;

const at = path('service').child('connection');
const names = ['cluster', 'controlplane', 'etcd'] as const;
const protocols = ['Direct', 'HTTPConnect', 'GRPC'];

/** Throws an error in Kubernetes' words, of all that is wrong. */
export function readEgressSelectorConfiguration(text: string): EgressSelections {
  const { egressSelections = [] } = readDocument<EgressSelectorConfiguration>(text, document);
  const errors = new FieldErrors();
  for (const { connection = {} } of egressSelections) checkConnection(connection, errors);
  const selections = new Map<EgressName, Connection>();
  for (const [i, { name = '', connection = {} }] of egressSelections.entries()) {
    const known = nameOf(name);
    if (!known) errors.notSupported(at, name.toLowerCase(), names);
    else if (selections.has(known)) errors.duplicate(at.index(i), known);
    else selections.set(known, connection);
  }
  const said = errors.list.map(e => `${e.field}: ${e.message}`);
  if (said.length) throw new Error(said.length === 1 ? said[0] : `[${said.join(', ')}]`);
  return selections;
}

function nameOf(given: string): EgressName | undefined {
  const name = given.toLowerCase();
  return name === 'master' ? 'controlplane' : names.find(known => known === name);
}

function checkConnection({ proxyProtocol = '', transport }: Connection, errors: FieldErrors): void {
  if (!protocols.includes(proxyProtocol)) {
    errors.notSupported(at.child('protocol'), proxyProtocol, protocols);
  } else if (proxyProtocol === 'Direct') {
    if (transport) errors.invalid(at.child('transport'), 'direct', 'config must be absent for direct connect');
  } else if (!transport) errors.required(at.child('transport'), `transport must be set for ${proxyProtocol}`);
  else if (proxyProtocol === 'GRPC') {
    if (!transport.uds) errors.required(at.child('uds'), 'UDS must be set with GRPC');
    else checkUds(transport.uds, errors);
  } else checkConnect(transport, errors);
}

function checkConnect({ tcp, uds }: NonNullable<Connection['transport']>, errors: FieldErrors): void {
  if (tcp && uds) errors.invalid(at.child('tcp'), asGo(tcp), 'TCP and UDS cannot both be set');
  else if (tcp) checkTcp(tcp, errors);
  else if (uds) checkUds(uds, errors);
  else errors.required(at.child('tcp'), 'One of TCP or UDS must be set');
}

type Tcp = NonNullable<NonNullable<Connection['transport']>['tcp']>;

const asGo = ({ url = '', tlsConfig: tls }: Tcp) => ({
  URL: url,
  TLSConfig: tls
    ? {
        CABundle: tls.caBundle ?? '',
        ClientKey: tls.clientKey ?? '',
        ClientCert: tls.clientCert ?? '',
        TLSServerName: tls.tlsServerName ?? '',
      }
    : null,
});

function checkUds({ udsName }: { readonly udsName?: string }, errors: FieldErrors): void {
  if (!udsName) errors.invalid(at.child('udsName'), 'nil', 'must be present for UDS connections');
}

function checkTcp({ url = '', tlsConfig }: Tcp, errors: FieldErrors): void {
  if (url.startsWith('http://')) {
    if (tlsConfig) errors.invalid(at.child('tlsConfig'), 'nil', 'config must not be present when using HTTP');
  } else if (url.startsWith('https://')) checkTls(tlsConfig, errors);
  else errors.invalid(at.child('url'), url, 'supported connection protocols are http:// and https://');
}

function checkTls(tls: TlsFiles | undefined, errors: FieldErrors): void {
  if (!tls) {
    errors.required(at.child('tlsConfig'), 'TLSConfig must be present when using HTTPS');
    return;
  }
  const { caBundle, clientCert, clientKey } = tls;
  const field = (name: string) => at.child('tlsConfig', name);
  if (caBundle && !existsSync(caBundle))
    errors.invalid(field('caBundle'), caBundle, 'TLS config ca bundle does not exist');
  if (!clientCert) errors.invalid(field('clientCert'), 'nil', 'Using TLS requires clientCert');
  else if (!existsSync(clientCert)) errors.invalid(field('clientCert'), clientCert, 'TLS client cert does not exist');
  // Twice, as Kubernetes says it.
  if (!clientKey) errors.invalid(field('clientKey'), 'nil', 'Using TLS requires requires clientKey');
  else if (!existsSync(clientKey)) errors.invalid(field('clientKey'), clientKey, 'TLS client key does not exist');
}
