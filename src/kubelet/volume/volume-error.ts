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

/** The node has as many of a driver's volumes as it can: the pod cannot run here. */
export class VolumeLimitError extends VolumeError {
  override name = 'VolumeLimitError';
}

/** Nothing has failed: others must act first. No event; it is looked at again soon. */
export class VolumeWait extends Error {
  override name = 'VolumeWait';
}
