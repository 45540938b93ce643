/** A service process, or a service in this process, that can be asked. */
export interface Node {
  readonly name: string;
  /** Where it is; `undefined` while it is away. */
  readonly url: string | undefined;
  stop(): Promise<void>;
}
