/** An evaluation that failed. Thrown only inside this folder. */
export class CelFault {
  readonly message: string;
  readonly costExceeded: boolean;

  constructor(message: string, costExceeded = false) {
    this.message = message;
    this.costExceeded = costExceeded;
  }
}
