import { after, before } from 'node:test';
import { superuserOf } from './test-api.ts';
import type { Caller } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

export interface FileServer {
  /** There once the first test runs. */
  readonly server: TestServer;
  /** Its superuser. */
  readonly api: Caller;
}

/** A server for all tests of a file, started before the first and stopped after the last. `setUp` makes what they share. */
export function fileServer(setUp: (api: Caller) => Promise<unknown> = async () => {}): FileServer {
  const on = {} as { -readonly [K in keyof FileServer]: FileServer[K] };
  before(async () => {
    on.server = await startTestServer();
    on.api = superuserOf(on.server);
    await setUp(on.api);
  });
  after(async () => {
    on.api?.close();
    await on.server?.stop();
  });
  return on;
}
