/** What the kubelet answers with other than success; plain text, as the API server expects it. */
export class HttpError extends Error {
  override name = 'HttpError';
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: number, message: string, headers: Readonly<Record<string, string>> = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.headers = headers;
  }
}
