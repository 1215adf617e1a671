// CredentialProviderConfig: programs that know credentials of registries.
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { messageOf } from '../base/assert.ts';
import { credentialProviders } from '../kubelet/kernel/credential-provider.ts';
import type { KubeletOptions } from '../kubelet/option.ts';
import type { KubeletFiles } from './kubelet-files.ts';

/** Nothing where no plugins are named. Throws an error that names the file or the program. */
export function readCredentialProviders(files: KubeletFiles = {}): Pick<KubeletOptions, 'credentialProviders'> {
  const { imageCredentialProviderConfig: file, imageCredentialProviderBinDir: directory } = files;
  if (!file && !directory) return {};
  if (!file || !directory)
    throw new Error(
      'imageCredentialProviderConfig and imageCredentialProviderBinDir go together: one of them is missing',
    );
  try {
    const providers = credentialProviders(parse(readFileSync(file, 'utf8')));
    for (const { name } of providers) accessSync(join(directory, name), constants.X_OK);
    return { credentialProviders: { providers, directory } };
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}
