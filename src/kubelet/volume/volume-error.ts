/** A step of a volume's way into a pod has failed; others than the last one name themselves and the volume. */
export class VolumeError extends Error {
  override name = 'VolumeError';
  /** As it stands in events: MountVolume.MountDevice. */
  readonly operation: string;
  /** As the event names it: a PersistentVolume, or the pod's own name for it. */
  readonly volume: string;

  constructor(operation: string, volume: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.operation = operation;
    this.volume = volume;
  }
}

/** Nothing has failed: others must act first. No event; it is looked at again soon. */
export class VolumeWait extends Error {
  override name = 'VolumeWait';
}
