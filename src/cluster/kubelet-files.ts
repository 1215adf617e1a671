// What `spec.kubelet` may say besides maxPods.

export interface KubeletFiles {
  /** KubeletConfiguration, YAML or JSON. */
  readonly config?: string;
  /** CredentialProviderConfig, YAML or JSON. */
  readonly imageCredentialProviderConfig?: string;
  /** Directory of the programs it names. */
  readonly imageCredentialProviderBinDir?: string;
}

export const kubeletFileNames = [
  'config',
  'imageCredentialProviderConfig',
  'imageCredentialProviderBinDir',
] as const satisfies (keyof KubeletFiles)[];
