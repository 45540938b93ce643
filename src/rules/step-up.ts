/** Where a token's wish to do something dangerous stands. RFC 9470. */
export type StepUpStatus = 'pending' | 'confirmed' | 'denied';
