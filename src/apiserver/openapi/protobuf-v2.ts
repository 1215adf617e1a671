// OpenAPI 2 in the protobuf form of gnostic's `openapi.v2.Document`, which kubectl asks for.
import { ProtoWriter } from '../../api/proto-writer.ts';
import type { Json } from './schema.ts';

// The writer runs backwards: the last field first, lists from their end.
type Write = () => void;

export function encodeV2(head: Json, paths: ReadonlyMap<string, Json>, definitions: ReadonlyMap<string, Json>): Buffer {
  const w = new ProtoWriter();

  const message = (number: number, content: Write): void => {
    const before = w.size;
    content();
    w.varint(w.size - before);
    w.varint(number * 8 + 2);
  };
  const text = (number: number, value: unknown): void => {
    if (value === undefined || value === '') return;
    w.string(String(value));
    w.varint(number * 8 + 2);
  };
  const flag = (number: number, value: unknown): void => {
    if (value !== true) return;
    w.varint(1);
    w.varint(number * 8);
  };
  const texts = (number: number, values: unknown): void => {
    for (const value of ((values ?? []) as unknown[]).toReversed()) {
      w.string(String(value));
      w.varint(number * 8 + 2);
    }
  };
  /** A value as YAML; JSON is YAML. */
  const any = (number: number, value: unknown): void => {
    if (value === undefined) return;
    message(number, () => text(2, `${JSON.stringify(value)}\n`));
  };
  const named = (number: number, entries: Iterable<[string, unknown]>, write: (number: number, value: any) => void) => {
    for (const [name, value] of [...entries].reverse())
      message(number, () => {
        write(2, value);
        text(1, name);
      });
  };
  const extensions = (number: number, of: Json): void =>
    named(
      number,
      Object.entries(of).filter(([key]) => key.startsWith('x-')),
      any,
    );

  const schema = (number: number, s: Json): void =>
    message(number, () => {
      extensions(31, s);
      if (s.properties) message(25, () => named(1, Object.entries(s.properties as Json), schema));
      if (s.items) message(23, () => schema(1, s.items as Json));
      if (s.type) message(22, () => texts(1, [s.type]));
      if (s.additionalProperties !== undefined)
        message(21, () =>
          typeof s.additionalProperties === 'boolean'
            ? flag(2, s.additionalProperties)
            : schema(1, s.additionalProperties as Json),
        );
      for (const value of ((s.enum ?? []) as unknown[]).toReversed()) any(20, value);
      texts(19, s.required);
      any(5, s.default);
      text(4, s.description);
      text(2, s.format);
      text(1, s.$ref);
    });

  const parameter = (number: number, p: Json): void =>
    message(number, () =>
      message(1, () => {
        if (p.in === 'body')
          return message(1, () => {
            if (p.schema) schema(5, p.schema as Json);
            flag(4, p.required);
            text(3, p.in);
            text(2, p.name);
            text(1, p.description);
          });
        message(2, () => {
          const query = p.in === 'query';
          message(query ? 3 : 4, () => {
            flag(query ? 20 : 19, p.uniqueItems);
            text(query ? 6 : 5, p.type);
            text(4, p.name);
            text(3, p.description);
            text(2, p.in);
            flag(1, p.required);
          });
        });
      }),
    );

  const parameters = (number: number, list: unknown): void => {
    for (const p of ((list ?? []) as Json[]).toReversed()) parameter(number, p);
  };

  const response = (number: number, r: Json): void =>
    message(number, () =>
      message(1, () => {
        if (r.schema) message(2, () => schema(1, r.schema as Json));
        text(1, r.description);
      }),
    );

  const operation = (number: number, o: Json | undefined): void => {
    if (!o) return;
    message(number, () => {
      extensions(13, o);
      texts(10, o.schemes);
      message(9, () => named(1, Object.entries(o.responses as Json), response));
      parameters(8, o.parameters);
      texts(7, o.consumes);
      texts(6, o.produces);
      text(5, o.operationId);
      text(3, o.description);
      texts(1, o.tags);
    });
  };

  const item = (number: number, i: Json): void =>
    message(number, () => {
      extensions(10, i);
      parameters(9, i.parameters);
      for (const [method, field] of methods) operation(field, i[method] as Json | undefined);
    });

  message(9, () => named(1, definitions, schema));
  message(8, () => named(2, paths, item));
  const info = head.info as Json | undefined;
  if (info)
    message(2, () => {
      text(2, info.version);
      text(1, info.title);
    });
  text(1, head.swagger);
  return w.take();
}

const methods: readonly (readonly [method: string, field: number])[] = [
  ['patch', 8],
  ['head', 7],
  ['options', 6],
  ['delete', 5],
  ['post', 4],
  ['put', 3],
  ['get', 2],
];
