let flag: string | undefined;

/** Takes what `--workspace` said, before a command begins. */
export function chooseWorkspace(slug: string | undefined): void {
  flag = slug;
}

/** The workspace whose login is to be used: the flag's, else the environment's. */
export function chosenWorkspace(env: Readonly<Record<string, string | undefined>>): {
  readonly slug: string | undefined;
  readonly isFlag: boolean;
} {
  return { slug: flag ?? env['COUNTERSIGN_WORKSPACE'], isFlag: flag !== undefined };
}
