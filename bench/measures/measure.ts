import type { Stage } from '../harness/stage.js';
import type { Finding } from '../report/finding.js';
import type { Ground } from '../systems/service.js';
import type { Part, Plan } from './plan.js';

/** A measure that is not side by side with the floor. */
export interface Measure {
  readonly part: Part;
  readonly title: string;
  readonly run: (stage: Stage, ground: Ground, plan: Plan) => Promise<readonly Finding[]>;
}
