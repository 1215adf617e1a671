// Where a request came from.
import { formatIp, ipNumber } from '../../../api/ip-number.ts';
import { parseIp } from '../../../api/name-rule.ts';

/**
 * The addresses X-Forwarded-For tells, the one of X-Real-Ip unless it is among them, and who has connected unless that is
 * the last of them. What is no address is left out.
 */
export function sourceIps(forwardedFor: string, realIp: string, remote: string): string[] {
  const found = forwardedFor.split(',').flatMap(part => addressOf(part.trim()));
  const [real] = addressOf(realIp);
  if (real !== undefined && !found.includes(real)) found.push(real);
  const [peer] = addressOf(remote);
  if (peer !== undefined && found.at(-1) !== peer) found.push(peer);
  return found;
}

const leadingZero = /(?:^|[.:])0\d+(?:\.|$)/;

function addressOf(text: string): string[] {
  const bytes = leadingZero.test(text) ? undefined : parseIp(text);
  if (!bytes) return [];
  const isMapped = bytes.length === 16 && bytes.every((b, i) => i >= 12 || b === (i < 10 ? 0 : 0xff));
  const plain = isMapped ? bytes.subarray(12) : bytes;
  return [formatIp(ipNumber(plain), plain.length)];
}
