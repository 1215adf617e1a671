// What an API server is told about kubelets.

export interface KubeletAccess {
  /** PEM of the authorities behind kubelets' certificates. Absent: none is verified, as kubelets sign their own unless told otherwise. */
  readonly ca?: string;
  /** Names of the nodes whose certificates `ca` has signed; others' are not verified. Default: all. */
  readonly verifiedNodes?: readonly string[];
  /** PEM: what kubelets are shown. */
  readonly cert: string;
  readonly key: string;
  /** Which address of a node is taken: of the first type that it has. */
  readonly preferredAddressTypes?: readonly string[];
  /** Of a node that does not tell its kubelet's port. Default: 10250. */
  readonly port?: number;
  /** How long a kubelet may take to answer, connecting included. Default: 30 s. */
  readonly timeoutMs?: number;
}
