// A KMS plugin of version 2, over gRPC on a unix socket.
import type { Clock } from '../../base/clock.ts';
import { type Decoded, type Fields, type Input, Message } from '../../store/etcd-wire.ts';
import { GrpcSocket } from '../grpc-socket.ts';

export const annotationMessage = new Message({ key: [1, 'string'], value: [2, 'bytes'] });

const statusRequest = new Message({});
const statusResponse = new Message({ version: [1, 'string'], healthz: [2, 'string'], keyId: [3, 'string'] });
const decryptRequest = new Message({
  ciphertext: [1, 'bytes'],
  uid: [2, 'string'],
  keyId: [3, 'string'],
  annotations: [4, [annotationMessage]],
});
const decryptResponse = new Message({ plaintext: [1, 'bytes'] });
const encryptRequest = new Message({ plaintext: [1, 'bytes'], uid: [2, 'string'] });
const encryptResponse = new Message({
  ciphertext: [1, 'bytes'],
  keyId: [2, 'string'],
  annotations: [3, [annotationMessage]],
});

export type Annotations = readonly { readonly key: string; readonly value: Uint8Array }[];

export interface KmsStatus {
  readonly version: string;
  readonly healthz: string;
  readonly keyId: string;
}

/** What a plugin does; rejects when it cannot be asked in time. */
export interface KmsPlugin {
  status(): Promise<KmsStatus>;
  encrypt(uid: string, plaintext: Uint8Array): Promise<{ ciphertext: Buffer; keyId: string; annotations: Annotations }>;
  decrypt(uid: string, wrapped: { ciphertext: Uint8Array; keyId: string; annotations: Annotations }): Promise<Buffer>;
  close(): void;
}

/** `endpoint`: unix:///path of the socket. */
export function kmsPlugin(endpoint: string, timeoutMs: number, clock: Clock): KmsPlugin {
  const socket = new GrpcSocket(`unix:${endpoint.replace(/^unix:\/\//i, '')}`, timeoutMs, clock);
  const call = <I extends Fields, O extends Fields>(
    method: string,
    request: Message<I>,
    response: Message<O>,
    input: Input<I>,
  ): Promise<Decoded<O>> => socket.call(`/v2.KeyManagementService/${method}`, request, response, input);
  return {
    status: () => call('Status', statusRequest, statusResponse, {}),
    encrypt: (uid, plaintext) => call('Encrypt', encryptRequest, encryptResponse, { plaintext, uid }),
    decrypt: async (uid, wrapped) =>
      (await call('Decrypt', decryptRequest, decryptResponse, { ...wrapped, uid })).plaintext,
    close: () => socket.close(),
  };
}
