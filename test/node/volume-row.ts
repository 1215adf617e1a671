// A row of the official suite's tests of volumes: what is mounted for whom, and what a container must see of it.
import type { DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeMount } from '../../src/api/type/core-v1.ts';

export interface User {
  readonly uid: number;
  readonly fsGroup?: number;
  /** Without them the downward API shows what the node has. */
  readonly resources?: object;
}

export type Unnamed = Omit<Volume, 'name'>;

export interface Row {
  readonly user: User;
  /** Mounted under $V and, where there is a second one, $W. */
  readonly volumes: readonly Unnamed[];
  readonly mount?: Partial<VolumeMount>;
  readonly script: string;
  readonly expected: string | ((pod: Pod, allocatable: Readonly<Record<string, string>>) => string);
}

/** By the name of the test. */
export type Rows = Readonly<Record<string, Row>>;

const limits = { cpu: '1250m', memory: '64Mi' };
export const root: User = { uid: 0, resources: { requests: { cpu: '250m', memory: '32Mi' }, limits } };
export const unlimited: User = { uid: 0 };
export const user1000: User = { uid: 1000 };
export const user1001: User = { uid: 1001 };
export const grouped: User = { uid: 1000, fsGroup: 1001 };

/** A config map and a secret with the keys data-1 and data-2. */
export const dataName = 'volume-data';

/** Mode, owner, group and content of a file. */
export const show = (path: string) => `stat -L -c '%a %u %g' ${path}; cat ${path}; echo`;

export const podName: Row['expected'] = pod => pod.metadata.name!;
export const field = (fieldPath: string): Omit<DownwardAPIVolumeFile, 'path'> => ({ fieldRef: { fieldPath } });
export const nameAt = (path: string): DownwardAPIVolumeFile => ({ path, ...field('metadata.name') });

export interface Content {
  readonly items?: readonly KeyToPath[];
  readonly defaultMode?: number;
}
export type Source = (content: Content) => Unnamed;
export const configMap: Source = content => ({ configMap: { name: dataName, ...content } });
export const secret: Source = content => ({ secret: { secretName: dataName, ...content } });
