// What the cases of the client's conformance suite have in hand.
import type { ConfigMap } from '../api/type/core-v1.ts';
import type { Client } from './client.ts';

export interface OpenClient {
  readonly client: Client;
  cleanup(): Promise<void> | void;
}

export interface ClientBench {
  readonly client: Client;
  /** The case's own. */
  readonly namespace: string;
  /** Makes another one. */
  namespaceFor(): Promise<string>;
  configMap(namespace: string, name: string, more?: Partial<ConfigMap['metadata']>): Promise<ConfigMap>;
}

/** Registers a case. */
export type ClientCheck = (sentence: string, body: (bench: ClientBench) => Promise<void>) => void;
