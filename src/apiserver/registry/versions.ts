// Stored objects as another version of their kind shows them.
import { convert } from '../../api/convert.ts';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { normalize } from '../../api/normalize.ts';
import { builtinResources } from '../../api/resource.ts';
import type { CustomForm } from '../../api/structural/custom-form.ts';
import { Stored } from './stored.ts';

const customShown = new WeakMap<CustomForm, WeakMap<Stored, Stored>>();

/** A custom resource as one of its versions shows it. */
export function showCustom(stored: Stored, form: CustomForm): Stored {
  const object = form.show(stored.object);
  if (object === stored.object) return stored;
  let made = customShown.get(form);
  if (!made) {
    made = new WeakMap();
    customShown.set(form, made);
  }
  let other = made.get(stored);
  if (!other || other.object !== object) {
    other = new Stored(stored.key, object, stored.revision);
    made.set(stored, other);
  }
  return other;
}

const shown = new WeakMap<Stored, Map<string, Stored>>();

/** The same version of the object in another version of its kind: made once, so that its bytes are shared as well. */
export function showAs(stored: Stored, apiVersion: string): Stored {
  if (stored.object.apiVersion === apiVersion) return stored;
  const versions = shown.get(stored) ?? new Map<string, Stored>();
  shown.set(stored, versions);
  let other = versions.get(apiVersion);
  if (!other) {
    other = new Stored(stored.key, convertObject(stored.object, apiVersion), stored.revision);
    versions.set(apiVersion, other);
  }
  return other;
}

/** A copy in that version, its fields in the order of the version. */
export function convertObject(object: KubeObject, apiVersion: string): Mutable<KubeObject> {
  const converted = convert(object, apiVersion);
  const typeName = builtinResources().typeNameOf(apiVersion, object.kind ?? '');
  return typeName ? normalize(typeName, converted) : (converted as Mutable<KubeObject>);
}
