// The extensions of a certificate, read from its DER: Node tells of some of them only.

export interface Extension {
  /** The object identifier, `2.5.29.19`. */
  readonly id: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

const sequenceTag = 0x30;
const booleanTag = 0x01;
const integerTag = 0x02;
const extensionsTag = 0xa3;

/** Throws an error for what is no DER. */
function elementsOf(bytes: Buffer): Element[] {
  const out: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!;
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length & 0x80) {
      const size = length & 0x7f;
      length = bytes.readUIntBE(at, size);
      at += size;
    }
    if (at + length > bytes.length) throw new Error('read certificate: an element ends outside of it');
    out.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return out;
}

export function extensionsOf(der: Buffer): readonly Extension[] {
  const [certificate] = elementsOf(der);
  const [signed] = elementsOf(certificate!.content);
  const list = elementsOf(signed!.content).find(e => e.tag === extensionsTag);
  if (!list) return [];
  return elementsOf(elementsOf(list.content)[0]!.content).map(({ content }) => {
    const [id, ...more] = elementsOf(content);
    const critical = more[0]?.tag === booleanTag && more[0].content[0] !== 0;
    return { id: identifierOf(id!.content), critical, value: more.at(-1)!.content };
  });
}

function identifierOf(bytes: Buffer): string {
  const parts: number[] = [];
  let part = 0;
  for (const byte of bytes) {
    part = part * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    parts.push(part);
    part = 0;
  }
  const [first = 0, ...rest] = parts;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...rest].join('.');
}

const basicConstraints = '2.5.29.19';

/** How many authorities may stand between this one and a certificate; undefined: any number. */
export function pathLengthOf(extensions: readonly Extension[]): number | undefined {
  const found = extensions.find(e => e.id === basicConstraints);
  const [constraints] = found ? elementsOf(found.value) : [];
  if (constraints?.tag !== sequenceTag) return undefined;
  const length = elementsOf(constraints.content).find(e => e.tag === integerTag);
  return length?.content.readUIntBE(0, Math.min(length.content.length, 6));
}
