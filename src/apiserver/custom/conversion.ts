// Between the versions of a custom kind: by renaming the version, or by asking a webhook.
import type { KubeObject } from '../../api/meta.ts';
import type { CustomResourceDefinition } from '../../api/type/apiextensions-v1.ts';

export interface Converter {
  /** Whether `convertSync` can do it. */
  isSync(object: KubeObject, apiVersion: string): boolean;
  convertSync(object: KubeObject, apiVersion: string): KubeObject;
  /** One for one, in order. Rejects with a StatusError when the webhook fails. */
  convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]>;
}

const rename = (object: KubeObject, apiVersion: string): KubeObject =>
  object.apiVersion === apiVersion ? object : { ...object, apiVersion };

const byName: Converter = {
  isSync: () => true,
  convertSync: rename,
  convert: async (objects, apiVersion) => objects.map(o => rename(o, apiVersion)),
};

export type WebhookConverter = (definition: CustomResourceDefinition) => Converter['convert'];

export function converterOf(definition: CustomResourceDefinition, webhook: WebhookConverter): Converter {
  if (definition.spec.conversion?.strategy !== 'Webhook') return byName;
  const convert = webhook(definition);
  return {
    isSync: (object, apiVersion) => object.apiVersion === apiVersion,
    convertSync: object => object,
    convert,
  };
}
