// An API server that lives as long as a test file's tests, and requests to it as the superuser.
import { after, before } from 'node:test';
import { type Caller, caller } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

export function testApi(options: Parameters<typeof startTestServer>[0] = {}): Caller {
  let server: TestServer;
  let api: Caller;
  before(async () => {
    server = await startTestServer(options);
    api = superuserOf(server);
  });
  after(async () => {
    api.close();
    await server.stop();
  });
  return {
    send: (...request) => api.send(...request),
    expect: (...request) => api.expect(...request),
    watch: path => api.watch(path),
    close: () => api.close(),
  };
}

export const superuserOf = ({ url, ca, admin }: TestServer): Caller =>
  caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem });

/** Makes a namespace of a name of its own each time. */
export function namespaces(api: Caller): () => Promise<string> {
  let count = 0;
  return async () => {
    const name = `n${++count}`;
    await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name } });
    return name;
  };
}
