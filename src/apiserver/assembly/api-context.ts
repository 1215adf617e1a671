import type { Authorizer } from '../authz/authorizer.ts';
import { Certificates } from '../configuration/certificates.ts';
import type { ApiContext } from '../context.ts';
import { customPrinter } from '../custom/printer.ts';
import { Turns } from '../http/turns.ts';
import { measuredAuthorizer } from '../observe/observation.ts';
import { ServerCounts } from '../observe/server-counts.ts';
import { PackedParts } from '../packed-parts.ts';
import { protobufRenderer } from '../protobuf-renderer.ts';
import { KeptBytes } from '../registry/kept-bytes.ts';
import { formRenderer } from '../render-forms.ts';
import { printerOf } from '../table/printers.ts';
import { YamlThread } from '../yaml-thread.ts';
import type { Basis } from './basis.ts';
import type { Storage } from './storage.ts';

/** Of lists in gzip: about 150 MB of objects. */
const packedBytes = 16 << 20;

/** Watches live for half an hour and up to an hour. */
const minRequestTimeout = 1800;

/** The authorizer is asked for when it is needed: it is made with the context. */
export function createContext(basis: Basis, storage: Storage, authorizer: () => Authorizer): ApiContext {
  const { clock, random, log, metrics, table, featureEnabled, egress } = basis;
  const { dispatcher, resources, registries } = storage;
  const yaml = new YamlThread(clock);
  const certificates = certificatesOf(basis);
  return {
    clock,
    random,
    log,
    counts: new ServerCounts(metrics),
    dispatcher,
    certificates,
    kubelet: basis.options.kubelet ?? {},
    minRequestTimeout: basis.options.minRequestTimeout ?? minRequestTimeout,
    turns: new Turns(),
    table,
    resources,
    registries,
    customGroups: new Map(),
    surface: { revision: 0 },
    calls: new Map(),
    streams: new Map(),
    renderers: [
      protobufRenderer,
      options =>
        formRenderer(options, ({ resource }) =>
          resource.custom ? customPrinter(resource.custom) : printerOf(resource),
        ),
    ],
    packedParts: new PackedParts(new KeptBytes(packedBytes)),
    onShutdown: new Set([() => yaml.close(), () => certificates.stop(), () => egress.close()]),
    yaml,
    featureEnabled,
    egress,
    authorizer: measuredAuthorizer(authorizer, metrics, clock),
  };
}

function certificatesOf({ options, clock, log }: Basis): Certificates {
  const { tls, frontProxyCa, kubelet, frontProxyClient, certificateFiles: files } = options;
  const values = {
    serving: { cert: tls.cert, key: tls.key },
    clientCa: tls.clientCa,
    frontProxyCa,
    kubeletCa: kubelet?.ca,
    kubeletClient: kubelet && { cert: kubelet.cert, key: kubelet.key },
    frontProxyClient,
    peerCa: options.peer?.ca,
  };
  return new Certificates({ values, files, clock, log });
}
