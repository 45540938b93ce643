/** Where a run stands: `running` while its lease is renewed, `lost` when the lease ran out without a word, `stopped` when
 *  somebody ended its right to run, `finished` when its guard told how it ended. */
export type RunStatus = 'running' | 'finished' | 'stopped' | 'lost';
