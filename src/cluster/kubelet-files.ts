// What `spec.kubelet` may say besides maxPods.

export interface KubeletFiles {
  /** KubeletConfiguration, YAML or JSON. */
  readonly config?: string;
}

export const kubeletFileNames = ['config'] as const satisfies (keyof KubeletFiles)[];
