import { z } from 'zod';
import { page, tokenShape } from './answers.js';
import type { ReportedToken } from './resources.js';

const reportedToken: z.ZodType<ReportedToken> = z
  .object({
    ...tokenShape,
    why: z
      .array(z.object({ code: z.string(), detail: z.string() }))
      .describe('Why it is in the report: codes for programs, details for people.'),
  })
  .meta({ id: 'ReportedToken' });

export const reportPage = page('ReportPage', reportedToken);
