// Makes an allocation decided in memory everybody's: addresses by their objects, node ports in the servers' record.
import type { Service } from '../../api/type/core-v1.ts';
import type { IpAddresses } from './ip-addresses.ts';
import type { PortLedger } from './port-ledger.ts';

export interface Claimable {
  readonly newIps: readonly string[];
  readonly newPorts: readonly number[];
}

/** What was claimed, to be given back; or what somebody else has. */
export type Claim =
  | { readonly giveBack: () => void }
  | { readonly lost: { readonly ip?: string; readonly port?: number } };

/** All or nothing. */
export async function claim(
  { newIps, newPorts }: Claimable,
  service: Service,
  addresses: IpAddresses | undefined,
  ports: PortLedger | undefined,
): Promise<Claim> {
  const claimed: string[] = [];
  const giveBackIps = () => {
    for (const ip of claimed) void addresses!.giveBack(ip, service);
  };
  try {
    for (const ip of addresses ? newIps : []) {
      if (await addresses!.claim(ip, service)) claimed.push(ip);
      else {
        giveBackIps();
        return { lost: { ip } };
      }
    }
    if (!ports || newPorts.length === 0) return { giveBack: giveBackIps };
    const port = await ports.claim(newPorts);
    if (port === undefined)
      return {
        giveBack() {
          giveBackIps();
          // What a failure leaves behind the next repair finds.
          ports.release(newPorts).catch(() => {});
        },
      };
    giveBackIps();
    return { lost: { port } };
  } catch (error) {
    giveBackIps();
    throw error;
  }
}
