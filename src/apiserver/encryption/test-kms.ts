// A KMS plugin for tests: gRPC on a unix socket, keys that are XORed.
import { Message } from '../../store/etcd-wire.ts';
import { startTestGrpc, type TestMethod } from '../test-grpc.ts';
import { annotationMessage } from './kms-plugin.ts';

export interface TestKms {
  readonly endpoint: string;
  keyId: string;
  healthz: string;
  version: string;
  /** What it says else of what it encrypts. */
  encrypted: object;
  /** Calls by method. */
  readonly calls: Record<string, number>;
  stop(): void;
}

const mask = (bytes: Uint8Array, keyId: string) =>
  Buffer.from(bytes.map((b, i) => b ^ keyId.charCodeAt(i % keyId.length)));

export async function startTestKms(socket: string, keyId = 'key-1'): Promise<TestKms> {
  const calls: Record<string, number> = { Status: 0, Encrypt: 0, Decrypt: 0 };
  const kms: TestKms = {
    endpoint: `unix://${socket}`,
    keyId,
    healthz: 'ok',
    version: 'v2',
    encrypted: {},
    calls,
    stop: () => stop(),
  };
  const counted = (name: string, method: TestMethod): TestMethod => ({
    ...method,
    answer(request) {
      calls[name]!++;
      return method.answer(request);
    },
  });
  const methods: Record<string, TestMethod> = {
    Status: {
      request: new Message({}),
      response: new Message({ version: [1, 'string'], healthz: [2, 'string'], keyId: [3, 'string'] }),
      answer: () => ({ version: kms.version, healthz: kms.healthz, keyId: kms.keyId }),
    },
    Encrypt: {
      request: new Message({ plaintext: [1, 'bytes'], uid: [2, 'string'] }),
      response: new Message({ ciphertext: [1, 'bytes'], keyId: [2, 'string'], annotations: [3, [annotationMessage]] }),
      answer: ({ plaintext }) => ({
        ciphertext: mask(plaintext, kms.keyId),
        keyId: kms.keyId,
        annotations: [{ key: 'version.example.com', value: Buffer.from('1') }],
        ...kms.encrypted,
      }),
    },
    Decrypt: {
      request: new Message({
        ciphertext: [1, 'bytes'],
        uid: [2, 'string'],
        keyId: [3, 'string'],
        annotations: [4, [annotationMessage]],
      }),
      response: new Message({ plaintext: [1, 'bytes'] }),
      answer({ annotations: [annotation], ciphertext, keyId: by }) {
        if (annotation?.key !== 'version.example.com') throw new Error('annotations are lost');
        return { plaintext: mask(ciphertext, by) };
      },
    },
  };
  const stop = await startTestGrpc(
    socket,
    'v2.KeyManagementService',
    Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, counted(name, method)])),
  );
  return kms;
}
