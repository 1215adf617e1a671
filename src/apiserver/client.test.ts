import { clientConformance } from '../client/client-conformance.ts';
import { startTestServer } from './test-server.ts';

const noApply = { noApply: 'the server has no server-side apply yet' };

clientConformance(
  'in process',
  async () => {
    const server = await startTestServer();
    return { client: server.server.client({ userAgent: 'conformance' }), cleanup: () => server.stop() };
  },
  noApply,
);

clientConformance(
  'HTTPS',
  async () => {
    const server = await startTestServer();
    return { client: await server.http(), cleanup: () => server.stop() };
  },
  noApply,
);
