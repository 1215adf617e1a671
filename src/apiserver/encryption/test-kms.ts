// A KMS plugin for tests: gRPC on a unix socket, keys that are XORed.
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { Message } from '../../store/etcd-wire.ts';
import { annotationMessage } from './kms-plugin.ts';

export interface TestKms {
  readonly endpoint: string;
  keyId: string;
  healthz: string;
  /** Calls by method. */
  readonly calls: Record<string, number>;
  stop(): void;
}

const messages = {
  Status: [new Message({}), new Message({ version: [1, 'string'], healthz: [2, 'string'], keyId: [3, 'string'] })],
  Encrypt: [
    new Message({ plaintext: [1, 'bytes'], uid: [2, 'string'] }),
    new Message({ ciphertext: [1, 'bytes'], keyId: [2, 'string'], annotations: [3, [annotationMessage]] }),
  ],
  Decrypt: [
    new Message({
      ciphertext: [1, 'bytes'],
      uid: [2, 'string'],
      keyId: [3, 'string'],
      annotations: [4, [annotationMessage]],
    }),
    new Message({ plaintext: [1, 'bytes'] }),
  ],
} as const;

const mask = (bytes: Uint8Array, keyId: string) =>
  Buffer.from(bytes.map((b, i) => b ^ keyId.charCodeAt(i % keyId.length)));

export async function startTestKms(socket: string, keyId = 'key-1'): Promise<TestKms> {
  const server = new Server();
  const kms: TestKms = {
    endpoint: `unix://${socket}`,
    keyId,
    healthz: 'ok',
    calls: { Status: 0, Encrypt: 0, Decrypt: 0 },
    stop: () => server.forceShutdown(),
  };
  const answers: Record<string, (request: Record<string, unknown>) => object> = {
    Status: () => ({ version: 'v2', healthz: kms.healthz, keyId: kms.keyId }),
    Encrypt: ({ plaintext }) => ({
      ciphertext: mask(plaintext as Buffer, kms.keyId),
      keyId: kms.keyId,
      annotations: [{ key: 'version.example.com', value: Buffer.from('1') }],
    }),
    Decrypt(request) {
      const [annotation] = request.annotations as { key: string }[];
      if (annotation?.key !== 'version.example.com') throw new Error('annotations are lost');
      return { plaintext: mask(request.ciphertext as Buffer, request.keyId as string) };
    },
  };
  const methods = Object.entries(messages).map(([name, [request, response]]) => [
    name,
    {
      path: `/v2.KeyManagementService/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: object) => request.encode(value as never),
      requestDeserialize: (bytes: Buffer) => request.decode(bytes),
      responseSerialize: (value: object) => response.encode(value as never),
      responseDeserialize: (bytes: Buffer) => response.decode(bytes),
    },
  ]);
  const handlers = Object.keys(messages).map(name => [
    name,
    (call: ServerUnaryCall<Record<string, unknown>, object>, done: sendUnaryData<object>) => {
      kms.calls[name]!++;
      try {
        done(null, answers[name]!(call.request));
      } catch (error) {
        done({ code: status.INVALID_ARGUMENT, details: (error as Error).message });
      }
    },
  ]);
  server.addService(Object.fromEntries(methods), Object.fromEntries(handlers));
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  );
  return kms;
}
