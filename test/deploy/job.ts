import type { Place, Running } from './place.js';

/** A job that a platform is asked to run by its recipe. */
export interface JobRequest {
  readonly place: Place;
  readonly url: string;
  readonly token: string;
  /** Gives the job's token of the platform for an audience: then the job is federated, and the token above is not its. */
  readonly identity?: ((audience: string) => Promise<string>) | undefined;
  readonly repository: string;
  readonly branch: string;
  /** What the recipe is to install. Without it the guard has to be on the `PATH`. */
  readonly installs: { readonly name: string; readonly version: string } | undefined;
  /** More for the environment of the job. */
  readonly env: Readonly<Record<string, string>>;
  /** Told of each shell of the job that is started. */
  readonly onStart?: (running: Running) => void;
}

/** How a job came out. */
export interface JobEnd {
  readonly code: number;
  /** All that the job printed, as far as it is shown to anybody. */
  readonly log: string;
  /** What the platform hands on of it, where it does. */
  readonly outputs: Readonly<Record<string, string>>;
  /** The summary of the run, where there is one. */
  readonly summary: string;
}

/** A platform that runs a job by the files of its recipe, as it would run them. */
export interface Platform {
  readonly title: string;
  readonly installs: boolean;
  /** What the check has to hold of the place that the request names. */
  context(request: Pick<JobRequest, 'repository' | 'branch' | 'identity'>): Readonly<Record<string, string>>;
  run(request: JobRequest): Promise<JobEnd>;
}
