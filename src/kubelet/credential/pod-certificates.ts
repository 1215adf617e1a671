// Keys and certificates for projected volumes: the key is made here and never leaves the node, a signer answers.
import { certificatesV1beta1, coreV1 } from '../../api/refs.ts';
import type { PodCertificateRequest } from '../../api/type/certificates-v1beta1.ts';
import type { Pod, PodCertificateProjection } from '../../api/type/core-v1.ts';
import { emptyCertificateRequest, generatePrivateKey, type KeyType } from '../../base/certificate-request.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import {
  answerOf,
  certificateRequest,
  type Issued,
  overdueAfterMs,
  type Refusal,
  refusalError,
} from '../kernel/pod-certificate.ts';
import type { PodEvents } from '../pod-event.ts';
import { WatchedList } from './watched-list.ts';

export interface PodCertificatesOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: PodEvents;
  readonly nodeName: string;
  nodeUid(): string;
  /** A request of the node has been answered. */
  onChange(podUid: string): void;
}

export interface Credentials {
  readonly keyPem: string;
  readonly chainPem: string;
  /** Ask again no later. */
  readonly refreshAtMs: number;
}

interface Pending {
  /** `namespace/name` of the request. */
  readonly key: string;
  readonly keyPem: string;
  readonly sinceMs: number;
}

interface Held {
  issued?: Issued | undefined;
  pending?: Pending | undefined;
  refused?: Refusal | undefined;
  /** A request is being written: who asks meanwhile waits for the same. */
  asking?: Promise<void> | undefined;
  toldOverdue?: boolean;
  toldExpired?: boolean;
}

/** Requests are deleted when they are a quarter of an hour old. */
const unansweredMs = 15 * 60_000;
const resyncMs = 60_000;

export class PodCertificates {
  readonly #o: PodCertificatesOptions;
  /** By pod, volume and place among the volume's sources. */
  readonly #held = new Map<string, Map<string, Held>>();
  readonly #requests: WatchedList<PodCertificateRequest>;

  constructor(options: PodCertificatesOptions) {
    this.#o = options;
    const { client, clock, nodeName, onChange } = options;
    this.#requests = new WatchedList<PodCertificateRequest>({
      ...{ client, clock },
      resources: [certificatesV1beta1.podcertificaterequests],
      fieldSelector: `spec.nodeName=${nodeName}`,
      onChange: () => {
        for (const [uid, places] of this.#held) if (places.values().some(h => h.pending)) onChange(uid);
      },
    });
  }

  /** Rejects until a signer has issued a certificate, and for good when it refuses or lets it expire. */
  async credentials(pod: Pod, place: string, source: PodCertificateProjection): Promise<Credentials> {
    const held = this.#held.getOrInsertComputed(pod.metadata.uid ?? '', () => new Map()).getOrInsert(place, {});
    const { clock } = this.#o;
    await this.#requests.list();
    this.#hear(pod, held);
    if (!held.pending && !held.refused && clock.now() >= (held.issued?.refreshAtMs ?? 0)) {
      held.asking ??= this.#ask(pod, source, held).finally(() => {
        held.asking = undefined;
      });
      await held.asking.catch(error => this.#bear(pod, held, error));
      this.#hear(pod, held);
    }
    return this.#show(pod, held);
  }

  /** Takes in what was answered. */
  #hear(pod: Pod, held: Held): void {
    const { pending } = held;
    if (!pending) return;
    const { clock, random, events } = this.#o;
    const request = this.#requests.get(pending.key);
    if (!request) {
      // Just made, or swept up without an answer.
      if (clock.now() - pending.sinceMs > unansweredMs) held.pending = undefined;
      return;
    }
    const answer = answerOf(request, pending.keyPem, random.next());
    if (!answer) return;
    held.pending = undefined;
    if ('keyPem' in answer) {
      Object.assign(held, { issued: answer, toldOverdue: false, toldExpired: false });
      return;
    }
    held.refused = answer;
    const { type, reason, message } = answer;
    const q = JSON.stringify;
    const told = `PodCertificateRequest ${q(request.metadata.name)} was ${type.toLowerCase()}, reason=${q(reason)}, message=${q(message)}`;
    events.pod(pod, 'Warning', type, told);
  }

  /** What cannot be renewed is kept while it is valid. */
  #bear(pod: Pod, held: Held, error: unknown): void {
    if (!held.issued || this.#o.clock.now() >= held.issued.notAfterMs) throw error;
    this.#o.log.warn('renewing a pod certificate failed', { pod: pod.metadata.name, error });
  }

  #show(pod: Pod, held: Held): Credentials {
    const nowMs = this.#o.clock.now();
    const { issued, refused, pending } = held;
    if (issued) this.#tellAge(pod, held, issued, nowMs);
    if (issued && nowMs < issued.notAfterMs) {
      const waits = pending || refused || nowMs >= issued.refreshAtMs;
      const nextMs = waits ? Math.min(nowMs + resyncMs, issued.notAfterMs) : issued.refreshAtMs;
      return { keyPem: issued.keyPem, chainPem: issued.chainPem, refreshAtMs: nextMs };
    }
    if (refused) throw new Error(refusalError(refused));
    throw new Error(issued ? 'the pod certificate has expired' : 'credential bundle is not issued yet');
  }

  #tellAge(pod: Pod, held: Held, issued: Issued, nowMs: number): void {
    const { events } = this.#o;
    if (nowMs >= issued.notAfterMs) {
      if (!held.toldExpired) events.pod(pod, 'Warning', 'CertificateExpired', 'PodCertificate has expired');
      held.toldExpired = true;
    } else if (nowMs >= issued.beginRefreshAtMs + overdueAfterMs) {
      const message = 'PodCertificate refresh is overdue';
      if (!held.toldOverdue) events.pod(pod, 'Warning', 'CertificateOverdueForRefresh', message);
      held.toldOverdue = true;
    }
  }

  async #ask(pod: Pod, source: PodCertificateProjection, held: Held): Promise<void> {
    const { client, clock, nodeUid } = this.#o;
    const { namespace = '' } = pod.metadata;
    const name = pod.spec.serviceAccountName || 'default';
    const account = await client.get(coreV1.serviceaccounts, { namespace, name });
    const key = await generatePrivateKey(source.keyType as KeyType);
    const requester = {
      serviceAccountUid: account.metadata.uid ?? '',
      nodeUid: nodeUid(),
      stub: emptyCertificateRequest(key).toBase64(),
    };
    const made = await client.create(
      certificatesV1beta1.podcertificaterequests,
      certificateRequest(pod, source, requester),
    );
    held.pending = {
      key: `${namespace}/${made.metadata.name}`,
      keyPem: key.export({ type: 'pkcs8', format: 'pem' }) as string,
      sinceMs: clock.now(),
    };
  }

  release(podUid: string): void {
    this.#held.delete(podUid);
  }

  stop(): void {
    this.#requests.stop();
  }
}
