/** What a command on the host cannot do as things stand: the answer is no. `kind` is for programs. */
export class HostRefusal extends Error {
  override readonly name = 'HostRefusal';
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}
