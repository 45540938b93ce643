/** What becomes of a workflow's tokens when their creator leaves: they stay inactive (`freeze`), end (`revoke`), or stay
 *  inactive for some days in which a named member may take over (`transfer`), and then end. */
export type LeaverRule = 'freeze' | 'revoke' | 'transfer';
