// What KubeSchedulerConfiguration says of an extender.

/** An entry of `extenders` in KubeSchedulerConfiguration. */
export interface ExtenderConfig {
  readonly urlPrefix: string;
  readonly filterVerb?: string;
  readonly prioritizeVerb?: string;
  readonly bindVerb?: string;
  readonly preemptVerb?: string;
  /** Of its scores, which are 0 to 10. */
  readonly weight?: number;
  /** `5s`; the default. */
  readonly httpTimeout?: string;
  /** It knows the nodes: send names only. */
  readonly nodeCacheCapable?: boolean;
  /** Asked only about pods that request one of these. Default: about all. */
  readonly managedResources?: readonly { readonly name: string; readonly ignoredByScheduler?: boolean }[];
  /** When it cannot be reached, go on without. */
  readonly ignorable?: boolean;
  readonly enableHTTPS?: boolean;
  readonly tlsConfig?: ExtenderTlsConfig;
}

/** Files, or their content in base64. */
export interface ExtenderTlsConfig {
  readonly insecure?: boolean;
  readonly serverName?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  readonly certData?: string;
  readonly keyData?: string;
  readonly caData?: string;
}

/** POSTs JSON; rejects unless answered with 200 and JSON. */
export type PostJson = (url: string, body: unknown, signal: AbortSignal) => Promise<unknown>;

export type ExtenderTransportConfig = Pick<ExtenderConfig, 'urlPrefix' | 'enableHTTPS' | 'tlsConfig'>;
