// The collector by way of @grpc/grpc-js. Loaded only when tracing is configured.
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { exportMethod, exportTimeoutMs, type OtlpSender } from '../../base/trace/otlp.ts';

export function grpcSender(endpoint: string, clock: Clock): OtlpSender {
  const secure = endpoint.startsWith('https://');
  const target = endpoint.replace(/^https?:\/\//, '').replace(/\/$/, '');
  const client = new Client(target, secure ? credentials.createSsl() : credentials.createInsecure());
  return {
    send: request =>
      new Promise((resolve, reject) => {
        const pass = (message: Buffer) => message;
        const options = { deadline: clock.now() + exportTimeoutMs };
        client.makeUnaryRequest(exportMethod, pass, pass, request, new Metadata(), options, error =>
          error ? reject(error) : resolve(),
        );
      }),
    close: () => client.close(),
  };
}
