import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A git repository of a test, with nothing of this machine's settings. */
export interface GitRepository {
  readonly directory: string;
  git(...args: readonly string[]): string;
  write(path: string | Buffer, content: string | Buffer): void;
  /** Commits all that is in the work tree, and gives the commit's id. */
  commit(message: string): string;
}

const GIT_ENVIRONMENT = {
  PATH: process.env['PATH'],
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@acme.example',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@acme.example',
};

/** Makes a repository with the branch `main` in a directory. */
export function createRepository(directory: string): GitRepository {
  mkdirSync(directory, { recursive: true });
  const git = (...args: readonly string[]) =>
    execFileSync('git', args, { cwd: directory, env: GIT_ENVIRONMENT, encoding: 'utf8', stdio: 'pipe' }).trim();
  git('init', '--quiet', '--initial-branch', 'main');
  return {
    directory,
    git,
    write(path, content) {
      const place = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(path)]);
      if (typeof path === 'string') mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(place, content);
    },
    commit(message) {
      git('add', '--all');
      git('commit', '--quiet', '--allow-empty', '--message', message);
      return git('rev-parse', 'HEAD');
    },
  };
}
