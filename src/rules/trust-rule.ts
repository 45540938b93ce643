/** What a CI platform's token must say, by claim: one of the values, exactly. */
export type Claims = Readonly<Record<string, readonly string[]>>;
