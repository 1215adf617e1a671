// How probes and hooks reach a container's ports.

export type ProbeResult =
  | { readonly result: 'success'; readonly output: string }
  | { readonly result: 'warning'; readonly output: string }
  | { readonly result: 'failure'; readonly output: string }
  /** It could not be tried at all. */
  | { readonly result: 'error'; readonly output: string };

export interface HttpProbe {
  readonly scheme: 'HTTP' | 'HTTPS';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly timeoutMs: number;
}

export interface ProbeNetwork {
  http(probe: HttpProbe): Promise<ProbeResult>;
  tcp(host: string, port: number, timeoutMs: number): Promise<ProbeResult>;
  grpc(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeResult>;
}

/** For simulated nodes: every port of every container answers. */
export const agreeableNetwork: ProbeNetwork = {
  async http() {
    return { result: 'success', output: '' };
  },
  async tcp() {
    return { result: 'success', output: '' };
  },
  async grpc() {
    return { result: 'success', output: '' };
  },
};
