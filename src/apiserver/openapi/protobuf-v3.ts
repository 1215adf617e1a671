// OpenAPI 3 in the protobuf form of gnostic's `openapi.v3.Document`.
import { PartWriter } from './protobuf-parts.ts';
import type { Json } from './schema.ts';

const entries = (of: unknown): [string, unknown][] => Object.entries((of ?? {}) as Json);

export function encodeV3(document: Json): Buffer {
  const w = new PartWriter();

  /** Anything that may be a reference instead. */
  const orReference = (number: number, of: Json, write: (of: Json) => void): void =>
    w.message(number, () => {
      if (of.$ref) w.message(2, () => w.text(1, of.$ref));
      else w.message(1, () => write(of));
    });

  const schema = (number: number, s: Json): void => orReference(number, s, content);

  const content = (s: Json): void => {
    w.extensions(36, s);
    w.text(35, s.format);
    w.text(34, s.description);
    fallback(s.default);
    if (s.additionalProperties !== undefined)
      w.message(32, () =>
        typeof s.additionalProperties === 'boolean'
          ? w.flagEvenFalse(2, s.additionalProperties)
          : schema(1, s.additionalProperties as Json),
      );
    if (s.properties) w.message(31, () => w.named(1, entries(s.properties), schema));
    if (s.items) w.message(30, () => schema(1, s.items as Json));
    if (s.not) w.message(29, () => content(s.not as Json));
    w.each(s.anyOf, of => schema(28, of));
    w.each(s.oneOf, of => schema(27, of));
    w.each(s.allOf, of => schema(26, of));
    w.text(25, s.type);
    w.each(s.enum, value => w.any(24, value));
    w.texts(23, s.required);
    w.bounds(10, s);
    w.text(9, s.title);
    w.any(7, s.example);
    w.flag(1, s.nullable);
  };

  /** A default that is an object or a list has no form of its own: it is there, and empty. */
  const fallback = (value: unknown): void => {
    if (value === undefined) return;
    w.message(33, () => {
      if (typeof value === 'string') w.textEvenEmpty(3, value);
      else if (typeof value === 'boolean') w.flagEvenFalse(2, value);
      else w.double(1, value, true);
    });
  };

  const parameters = (number: number, list: unknown): void =>
    w.each(list, (p: Json) =>
      orReference(number, p, () => {
        if (p.schema) schema(10, p.schema as Json);
        w.flag(4, p.required);
        w.text(3, p.description);
        w.text(2, p.in);
        w.text(1, p.name);
      }),
    );

  const mediaTypes = (number: number, of: unknown): void => {
    if (!of) return;
    w.message(number, () =>
      w.named(1, entries(of), (field, value: Json) =>
        w.message(field, () => {
          if (value.schema) schema(1, value.schema as Json);
        }),
      ),
    );
  };

  const response = (number: number, r: Json): void =>
    orReference(number, r, () => {
      mediaTypes(3, r.content);
      w.text(1, r.description);
    });

  const operation = (number: number, o: Json | undefined): void => {
    if (!o) return;
    w.message(number, () => {
      w.extensions(13, o);
      w.message(8, () => w.named(2, entries(o.responses), response));
      if (o.requestBody)
        orReference(7, o.requestBody as Json, body => {
          w.flag(3, body.required);
          mediaTypes(2, body.content);
        });
      parameters(6, o.parameters);
      w.text(5, o.operationId);
      w.text(3, o.description);
      w.texts(1, o.tags);
    });
  };

  const item = (number: number, i: Json): void =>
    w.message(number, () => {
      parameters(13, i.parameters);
      for (const [method, field] of methods) operation(field, i[method] as Json | undefined);
    });

  const scheme = (number: number, s: Json): void =>
    orReference(number, s, () => {
      w.text(4, s.in);
      w.text(3, s.name);
      w.text(2, s.description);
      w.text(1, s.type);
    });

  const { info, components } = document as { info: Json; components: Json };
  w.requirements(6, document.security);
  w.message(5, () => {
    w.message(7, () => w.named(1, entries(components.securitySchemes), scheme));
    w.message(1, () => w.named(1, entries(components.schemas), schema));
  });
  w.message(4, () => w.named(1, entries(document.paths), item));
  w.message(2, () => {
    w.text(6, info.version);
    w.text(1, info.title);
  });
  w.text(1, document.openapi);
  return w.take();
}

const methods: readonly (readonly [method: string, field: number])[] = [
  ['patch', 10],
  ['head', 9],
  ['options', 8],
  ['delete', 7],
  ['post', 6],
  ['put', 5],
  ['get', 4],
];
