// OpenAPI 2 in the protobuf form of gnostic's `openapi.v2.Document`, which kubectl asks for.
import { PartWriter } from './protobuf-parts.ts';
import type { Json } from './schema.ts';

export function encodeV2(head: Json, paths: ReadonlyMap<string, Json>, definitions: ReadonlyMap<string, Json>): Buffer {
  const w = new PartWriter();

  const schema = (number: number, s: Json): void =>
    w.message(number, () => {
      w.extensions(31, s);
      w.any(30, s.example);
      if (s.properties) w.message(25, () => w.named(1, Object.entries(s.properties as Json), schema));
      if (s.items) w.message(23, () => schema(1, s.items as Json));
      if (s.type) w.message(22, () => w.texts(1, [s.type]));
      if (s.additionalProperties !== undefined)
        w.message(21, () =>
          typeof s.additionalProperties === 'boolean'
            ? w.flagEvenFalse(2, s.additionalProperties)
            : schema(1, s.additionalProperties as Json),
        );
      w.each(s.enum, value => w.any(20, value));
      w.texts(19, s.required);
      w.bounds(6, s);
      w.any(5, s.default);
      w.text(4, s.description);
      w.text(3, s.title);
      w.text(2, s.format);
      w.text(1, s.$ref);
    });

  const parameter = (number: number, p: Json): void =>
    w.message(number, () =>
      w.message(1, () => {
        if (p.in === 'body')
          return w.message(1, () => {
            if (p.schema) schema(5, p.schema as Json);
            w.flag(4, p.required);
            w.text(3, p.in);
            w.text(2, p.name);
            w.text(1, p.description);
          });
        w.message(2, () => {
          const query = p.in === 'query';
          w.message(query ? 3 : 4, () => {
            w.flag(query ? 20 : 19, p.uniqueItems);
            w.text(query ? 6 : 5, p.type);
            w.text(4, p.name);
            w.text(3, p.description);
            w.text(2, p.in);
            w.flag(1, p.required);
          });
        });
      }),
    );

  const parameters = (number: number, list: unknown): void => {
    w.each(list, p => parameter(number, p));
  };

  const response = (number: number, r: Json): void =>
    w.message(number, () =>
      w.message(1, () => {
        if (r.schema) w.message(2, () => schema(1, r.schema as Json));
        w.text(1, r.description);
      }),
    );

  const operation = (number: number, o: Json | undefined): void => {
    if (!o) return;
    w.message(number, () => {
      w.extensions(13, o);
      w.texts(10, o.schemes);
      w.message(9, () => w.named(1, Object.entries(o.responses as Json), response));
      parameters(8, o.parameters);
      w.texts(7, o.consumes);
      w.texts(6, o.produces);
      w.text(5, o.operationId);
      w.text(3, o.description);
      w.texts(1, o.tags);
    });
  };

  const item = (number: number, i: Json): void =>
    w.message(number, () => {
      w.extensions(10, i);
      parameters(9, i.parameters);
      for (const [method, field] of methods) operation(field, i[method] as Json | undefined);
    });

  const schemes = head.securityDefinitions as Json | undefined;
  if (schemes)
    w.message(13, () =>
      w.named(1, Object.entries(schemes), (number, s: Json) =>
        w.message(number, () =>
          w.message(2, () => {
            w.text(4, s.description);
            w.text(3, s.in);
            w.text(2, s.name);
            w.text(1, s.type);
          }),
        ),
      ),
    );
  w.requirements(12, head.security);
  w.message(9, () => w.named(1, definitions, schema));
  w.message(8, () => w.named(2, paths, item));
  const info = head.info as Json | undefined;
  if (info)
    w.message(2, () => {
      w.text(2, info.version);
      w.text(1, info.title);
    });
  w.text(1, head.swagger);
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
