// What the protobuf forms of both versions of OpenAPI are written with: gnostic's messages, from their ends.
import { ProtoWriter } from '../../api/proto-writer.ts';
import type { Json } from './schema.ts';

type Write = () => void;
/** Writes a value as the field of this number. */
export type WriteField = (number: number, value: any) => void;

/** The writer runs backwards: the last field first, lists from their end. */
export class PartWriter {
  readonly #writer = new ProtoWriter();

  take(): Buffer {
    return this.#writer.take();
  }

  message(number: number, content: Write): void {
    const w = this.#writer;
    const before = w.size;
    content();
    w.varint(w.size - before);
    w.varint(number * 8 + 2);
  }

  text(number: number, value: unknown): void {
    if (value !== undefined && value !== '') this.textEvenEmpty(number, String(value));
  }

  /** Of several forms one is written whatever it holds. */
  textEvenEmpty(number: number, value: string): void {
    this.#writer.string(value);
    this.#writer.varint(number * 8 + 2);
  }

  texts(number: number, values: unknown): void {
    this.each(values, value => this.textEvenEmpty(number, String(value)));
  }

  flag(number: number, value: unknown): void {
    if (value === true) this.flagEvenFalse(number, value);
  }

  flagEvenFalse(number: number, value: boolean): void {
    this.#writer.varint(value ? 1 : 0);
    this.#writer.varint(number * 8);
  }

  integer(number: number, value: unknown): void {
    if (typeof value !== 'number' || value === 0) return;
    this.#writer.varint(value);
    this.#writer.varint(number * 8);
  }

  double(number: number, value: unknown, evenZero = false): void {
    if ((typeof value !== 'number' && typeof value !== 'bigint') || (!evenZero && Number(value) === 0)) return;
    this.#writer.double(Number(value));
    this.#writer.varint(number * 8 + 1);
  }

  /** A value as YAML; JSON is YAML. */
  any(number: number, value: unknown): void {
    if (value === undefined) return;
    this.message(number, () => this.text(2, `${JSON.stringify(value)}\n`));
  }

  /** Messages of a name and a value. */
  named(number: number, entries: Iterable<[string, unknown]>, write: WriteField): void {
    for (const [name, value] of [...entries].reverse())
      this.message(number, () => {
        write(2, value);
        this.text(1, name);
      });
  }

  each(values: unknown, write: (value: any) => void): void {
    for (const value of ((values ?? []) as unknown[]).toReversed()) write(value);
  }

  extensions(number: number, of: Json): void {
    this.named(
      number,
      Object.entries(of).filter(([key]) => key.startsWith('x-')),
      (field, value) => this.any(field, value),
    );
  }

  /** Who may ask. */
  requirements(number: number, list: unknown): void {
    this.each(list, (of: Json) =>
      this.message(number, () =>
        this.named(1, Object.entries(of), (field, values) => this.message(field, () => this.texts(1, values))),
      ),
    );
  }

  /** What bounds a value: twelve fields in the same order, from another number on. */
  bounds(first: number, s: Json): void {
    this.integer(first + 12, s.minProperties);
    this.integer(first + 11, s.maxProperties);
    this.flag(first + 10, s.uniqueItems);
    this.integer(first + 9, s.minItems);
    this.integer(first + 8, s.maxItems);
    this.text(first + 7, s.pattern);
    this.integer(first + 6, s.minLength);
    this.integer(first + 5, s.maxLength);
    this.flag(first + 4, s.exclusiveMinimum);
    this.double(first + 3, s.minimum);
    this.flag(first + 2, s.exclusiveMaximum);
    this.double(first + 1, s.maximum);
    this.double(first, s.multipleOf);
  }
}
