/** What an incident is about: a secret that was found where it does not belong, or a dead one that was used. */
export type IncidentKind = 'leak' | 'reuse';

/** What the use of a dead secret does to the tokens that came of it: `alarm` tells, `revoke` ends the whole lineage. */
export type ReuseRule = 'alarm' | 'revoke';
