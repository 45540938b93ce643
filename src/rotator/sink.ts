/** Where a secret lives outside of the service: what a rotation writes the successor to. None of it is known to the service. */
export interface Sink {
  /** The text that it was made of, which holds no secret: it names the sink in reports. */
  readonly name: string;
  /** Where the secret lives, for people; no secret in it. */
  describe(): string;
  /** Puts the secret there in one step: who reads it meanwhile gets the old one or the new one. Throws {@link SinkError}. */
  write(secret: string, signal: AbortSignal): Promise<void>;
  /** What is there now; `undefined` when there is nothing. Only where the sink lets one read it: it is not there otherwise,
   *  or gives {@link HIDDEN} where only this one secret is shown to nobody. Throws {@link SinkError}. */
  read?(signal: AbortSignal): Promise<Seen>;
}

/** A secret that is there and that nobody is shown: to be written without reading back, as where there is no `read`. */
export const HIDDEN: unique symbol = Symbol('hidden');

/** What a sink shows. */
export type Seen = string | undefined | typeof HIDDEN;

/** What sinks are told, and where their credentials come from: never the command line. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Makes a sink of what follows the colon of its text. `name` is the whole text. Throws {@link SinkTextError}. */
export type MakeSink = (rest: string, name: string, env: Environment) => Sink;

/** What a sink's text says of its place. `form` tells people what it has to look like. Throws {@link SinkTextError}. */
export function placeOf<T>(place: T | undefined, name: string, form: string): T {
  if (place !== undefined) return place;
  throw new SinkTextError(`${JSON.stringify(name)} is no ${form}`);
}

/** A sink did not do what it was asked. The message holds no secret. */
export class SinkError extends Error {
  override readonly name = 'SinkError';
}

/** A sink's text, or what its environment says, is not one that can be used. The message holds no secret. */
export class SinkTextError extends Error {
  override readonly name = 'SinkTextError';
}
