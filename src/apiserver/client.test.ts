import { clientConformance } from '../client/client-conformance.ts';
import { startTestServer } from './test-server.ts';

clientConformance('in process', async () => {
  const server = await startTestServer();
  return { client: server.server.client({ userAgent: 'conformance' }), cleanup: () => server.stop() };
});

clientConformance('HTTPS', async () => {
  const server = await startTestServer();
  return { client: await server.http(), cleanup: () => server.stop() };
});
