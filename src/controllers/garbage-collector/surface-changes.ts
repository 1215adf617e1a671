// Tells when the server has other resources than before: by definitions of custom resources and by API services.
import { apiextensionsV1, apiregistrationV1 } from '../../api/refs.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import type { CustomResourceDefinition } from '../../api/type/apiextensions-v1.ts';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import type { FetchedLists } from '../api-resources.ts';

/** What a controller reads that makes one of these. */
export const surfaceReads = [apiextensionsV1.customresourcedefinitions, apiregistrationV1.apiservices];

type Context = Pick<ControllerContext, 'lister' | 'observe'>;

export class SurfaceChanges {
  readonly #context: Context;
  /** Names of definitions that are gone, as `plural.group`, until discovery shows it. */
  readonly #gone = new Set<string>();
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(context: Context) {
    this.#context = context;
    const note = () => {
      this.#changed = true;
      this.#wake?.();
    };
    context.observe(apiextensionsV1.customresourcedefinitions, {
      onAdd: definition => {
        this.#gone.delete(definition.metadata.name);
        if (served(definition).length > 0) note();
      },
      onUpdate: (definition, old) => {
        if (!semanticEqual(served(definition), served(old))) note();
      },
      onDelete: ({ metadata: { name } }) => {
        this.#gone.add(name);
        note();
      },
    });
    context.observe(apiregistrationV1.apiservices, {
      onAdd: service => {
        if (service.spec.service) note();
      },
      onUpdate: (service, old) => {
        if (isAvailable(service) !== isAvailable(old) || !semanticEqual(service.spec, old.spec)) note();
      },
      onDelete: note,
    });
  }

  /** Whether there was a change since the last call. */
  take(): boolean {
    const was = this.#changed;
    this.#changed = false;
    return was;
  }

  /** Calls back at each change; the last one who asked only. */
  onChange(wake: () => void): void {
    this.#wake = wake;
  }

  /** Whether discovery is as far as the definitions: the server learns of them by a watch of its own. */
  shownBy({ lists, failed }: FetchedLists): boolean {
    const { lister } = this.#context;
    const wanted = lister(apiextensionsV1.customresourcedefinitions).list().flatMap(served);
    const elsewhere = lister(apiregistrationV1.apiservices)
      .list()
      .filter(service => service.spec.service && isAvailable(service))
      .map(({ spec }) => `${spec.group}/${spec.version}`);
    if (wanted.length === 0 && elsewhere.length === 0 && this.#gone.size === 0) return true;
    const shown = new Set(
      lists.flatMap(({ groupVersion, resources = [] }) => resources.map(r => `${r.name} ${groupVersion}`)),
    );
    const names = new Set([...shown].map(name => `${name.replace(' ', '.').replace(/\/[^/]*$/, '')}`));
    for (const name of this.#gone) if (!names.has(name)) this.#gone.delete(name);
    if (this.#gone.size > 0) return false;
    const groupVersions = new Set(lists.map(l => l.groupVersion));
    return (
      wanted.every(s => shown.has(s) || failed.has(s.slice(s.indexOf(' ') + 1))) &&
      elsewhere.every(groupVersion => groupVersions.has(groupVersion) || failed.has(groupVersion))
    );
  }
}

/** `plural group/version` of each version that is to be had. */
function served({ spec, status }: CustomResourceDefinition): string[] {
  if (!status?.conditions?.some(c => c.type === 'Established' && c.status === 'True')) return [];
  return spec.versions.filter(v => v.served).map(v => `${spec.names.plural} ${spec.group}/${v.name}`);
}

const isAvailable = ({ status }: APIService): boolean =>
  status?.conditions?.some(c => c.type === 'Available' && c.status === 'True') === true;
