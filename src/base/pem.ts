// PEM text, read as Go reads it: whatever lies outside of blocks is passed over, as are blocks that are damaged.

export interface PemBlock {
  readonly type: string;
  /** Lines of `name: value` before the body. */
  readonly hasHeaders: boolean;
  readonly der: Uint8Array;
}

const block = /(?:^|\n)-----BEGIN ([^\n]*?)-----[ \t]*\r?\n([\s\S]*?)-----END \1-----[ \t]*(?=\r?\n|$)/g;

export function pemBlocks(text: string): PemBlock[] {
  const out: PemBlock[] = [];
  for (const [, type = '', body = ''] of text.matchAll(block)) {
    const lines = body.split('\n');
    const first = lines.findIndex(line => !line.includes(':'));
    try {
      const der = Uint8Array.fromBase64(lines.slice(first).join(''));
      out.push({ type, hasHeaders: first > 0, der });
    } catch {
      // No base64.
    }
  }
  return out;
}

/** One block, with lines of 64 letters. */
export function pemText(type: string, der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${type}-----\n${lines.map(l => `${l}\n`).join('')}-----END ${type}-----\n`;
}
