// podcertificaterequest-cleaner-controller: requests have served their turn after a quarter of an hour.
import { parseTime } from '../../api/meta.ts';
import { certificatesV1beta1 } from '../../api/refs.ts';
import type { Controller } from '../../engine/controller.ts';
import { cleanerController } from '../cleaner.ts';

const keptMs = 15 * 60_000;

export const podCertificateRequestCleanerController = (): Controller =>
  cleanerController({
    name: 'podcertificaterequest-cleaner-controller',
    serviceAccount: 'podcertificaterequestcleaner',
    resource: certificatesV1beta1.podcertificaterequests,
    everyMs: 5 * 60_000,
    isDone: ({ metadata }, nowMs) => (parseTime(metadata.creationTimestamp) ?? 0) <= nowMs - keptMs,
  });
