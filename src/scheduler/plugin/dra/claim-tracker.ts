// The claims as they are, with what the scheduler has decided and the API does not tell yet.
import { keyOf } from '../../../api/meta.ts';
import { resourceV1 } from '../../../api/refs.ts';
import type { AllocationResult, ResourceClaim } from '../../../api/type/resource-v1.ts';
import type { InformerFactory } from '../../../client/informer.ts';
import { Ledger } from './ledger.ts';

const versionOf = (claim: ResourceClaim): bigint => {
  const text = claim.metadata.resourceVersion ?? '';
  return /^\d+$/.test(text) ? BigInt(text) : 0n;
};

export class ClaimTracker {
  readonly ledger = new Ledger();
  readonly #informer;
  /** Written by us, newer than what the informer has; by key. */
  readonly #written = new Map<string, ResourceClaim>();
  /** Decided, being written; by uid. */
  readonly #inFlight = new Map<string, AllocationResult>();

  constructor(informers: InformerFactory) {
    this.#informer = informers.informer(resourceV1.resourceclaims);
    this.#informer.addHandler({
      onAdd: claim => this.#seen(claim),
      onUpdate: (claim, old) => {
        if (old.metadata.uid !== claim.metadata.uid) this.#gone(old);
        this.#seen(claim);
      },
      onDelete: claim => this.#gone(claim),
    });
  }

  get(key: string): ResourceClaim | undefined {
    return this.#written.get(key) ?? this.#informer.lister.get(key);
  }

  isInFlight(uid: string): boolean {
    return this.#inFlight.has(uid);
  }

  /** From now on its devices are taken. */
  reserve(uid: string, allocation: AllocationResult): void {
    this.#inFlight.set(uid, allocation);
    this.ledger.set(uid, allocation);
  }

  /** Written, or given up: what the API says holds again. */
  release(uid: string, key: string): void {
    if (!this.#inFlight.delete(uid)) return;
    const now = this.get(key);
    this.ledger.set(uid, now?.metadata.uid === uid ? now.status?.allocation : undefined);
  }

  /** The answer to a write. */
  written(claim: ResourceClaim): void {
    const key = keyOf(claim);
    const known = this.#informer.lister.get(key);
    if (known && versionOf(known) >= versionOf(claim)) return;
    this.#written.set(key, claim);
    this.#account(claim);
  }

  #seen(claim: ResourceClaim): void {
    const key = keyOf(claim);
    const mine = this.#written.get(key);
    if (mine && mine.metadata.uid === claim.metadata.uid && versionOf(mine) > versionOf(claim)) return;
    this.#written.delete(key);
    this.#account(claim);
  }

  #gone(claim: ResourceClaim): void {
    const mine = this.#written.get(keyOf(claim));
    if (mine?.metadata.uid === claim.metadata.uid) this.#written.delete(keyOf(claim));
    this.#inFlight.delete(claim.metadata.uid!);
    this.ledger.set(claim.metadata.uid!, undefined);
  }

  #account(claim: ResourceClaim): void {
    const uid = claim.metadata.uid!;
    this.ledger.set(uid, this.#inFlight.get(uid) ?? claim.status?.allocation);
  }
}
