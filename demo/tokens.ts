import { z } from 'zod';
import { countersign } from './command.js';
import type { Shell } from './shell.js';

const tokenList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      status: z.string(),
      rotated_from: z.string().nullable(),
      last_used_at: z.string().nullable(),
    }),
  ),
});

export type ListedToken = z.infer<typeof tokenList>['data'][number];

/** The tokens of a workflow as the service lists them, without showing the command. */
export async function tokensOf(shell: Shell, workflow: string): Promise<ListedToken[]> {
  const { stdout } = await shell.quietly(countersign(['token', 'list', '--workflow', workflow, '--json']));
  return tokenList.parse(JSON.parse(stdout)).data;
}
