import type { ClusterConfig } from '../config.ts';
import { readIfThere } from '../host/file.ts';
import { forwardingFile } from './lifecycle.ts';

export const needsEgress = (config: ClusterConfig): boolean => config.egress && !config.simulate;

/** True when this machine forwards packets already. */
export const readForwarding = (): boolean => readIfThere(forwardingFile)?.trim() === '1';
