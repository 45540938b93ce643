import type { Command } from 'commander';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { MAX_DRAIN_SECONDS, MAX_OVERLAP_SECONDS } from '../rules/rotation.js';
import { addCommand, exitsWith, wholeNumber } from './command.js';
import type { RotateIntoFlags } from './rotate-into.js';
import type { RotatorFlags } from './rotator.js';

/** Rotation into the places where secrets live. */
export function addRotationCommands(program: Command): void {
  addCommand(
    program,
    'rotate <token>',
    'rotate a token, or `self`, into where its secret lives; run again it goes on where it broke off',
    `countersign rotate tok_01KfUXmCbVYz8sQ2dW3nRk --into vault:kv/ci/agent#token file:/etc/agent/token
countersign rotate tok_01KfUXmCbVYz8sQ2dW3nRk --into github:acme/api/AGENT --smoke-test ./try-it.sh
countersign rotate self --into file:agent.token --if-expires-within 7`,
  )
    .requiredOption('--into <sink...>', 'where to put the secret of the successor')
    .option('--if-expires-within <days>', 'only when it ends within so many days', wholeNumber(0, MAX_EXPIRY_DAYS))
    .option(
      '--expires-in-days <days>',
      'one of the periods of the workflow (default: as the old one)',
      wholeNumber(1, MAX_EXPIRY_DAYS),
    )
    .option(
      '--overlap-seconds <seconds>',
      'how long the old one stays valid at most (default: 7 days)',
      wholeNumber(0, MAX_OVERLAP_SECONDS),
    )
    .option(
      '--drain-seconds <seconds>',
      'how long it stays valid once every sink has the new one (default: an hour)',
      wholeNumber(0, MAX_DRAIN_SECONDS),
    )
    .option(
      '--smoke-test <command>',
      'try the secret before the old one begins to end: reads it from standard input; no shell',
    )
    .option('--dry-run', 'only say what would be done')
    .addHelpText('after', SINKS)
    .action(
      exitsWith(async (token: string, flags: RotateIntoFlags) =>
        (await import('./rotate-into.js')).rotateIntoSinks(token, flags),
      ),
    );

  addCommand(
    program,
    'rotator',
    'rotate every token that is due, by a configuration or by what workflows say, once; for a timer',
    `countersign rotator --config rotations.json --dry-run
countersign rotator --from-workflows --allow-into 'github:acme/**' 'vault:kv/ci/*#token'`,
  )
    .option('--config <file>', 'what to rotate into where, and when: JSON')
    .option('--from-workflows [label...]', 'what the workflows say of it (`workflow set --rotate-into`): all or these')
    .option('--allow-into <pattern...>', 'where a workflow may have a secret put: needed with --from-workflows')
    .option('--dry-run', 'only show what is due')
    .addHelpText(
      'after',
      `
{"rotations": [{"workflow": "codex-review", "name": "acme/api", "into": ["vault:kv/ci/agent#token"],
                "if_expires_within_days": 7}]}
"token": "tok_…" in the place of a workflow; "every_days" beside or in the place of "if_expires_within_days";
"smoke_test", "expires_in_days", "overlap_seconds", "drain_seconds" as for \`countersign rotate\`.

A pattern begins with a kind; * stands for any characters but /, ** for any number of parts between slashes. Without
#KEY or ?environment=SCOPE it allows each. A workflow names no file and no command. --from-workflows needs workflows:read.
Exits 1 when one of them failed or was refused; the others are done.`,
    )
    .action(exitsWith(async (flags: RotatorFlags) => (await import('./rotator.js')).runRotator(flags)));
}

const SINKS = `
Sinks:
  file:PATH                      a file for its owner alone
  exec:COMMAND                   a command that reads the secret from standard input; no shell
  vault:MOUNT/PATH#KEY           Vault or OpenBao, KV version 2: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE
  kubernetes:NAMESPACE/NAME#KEY  a Secret, as the service account of the pod
  aws:NAME#KEY                   AWS Secrets Manager, by name or ARN; #KEY where it is a JSON object: AWS_REGION and what
                                 the SDK finds; npm install @aws-sdk/client-secrets-manager
  google:PROJECT/SECRET#KEY      Google Secret Manager: application default credentials;
                                 npm install @google-cloud/secret-manager
  github:OWNER/REPO/NAME         a secret of GitHub Actions: GH_TOKEN or GITHUB_TOKEN, GITHUB_API_URL
  github-env:OWNER/REPO/ENVIRONMENT/NAME, github-org:ORG/NAME
                                 of an environment, of an organisation
  gitlab:PROJECT/NAME            a CI/CD variable of GitLab: GITLAB_TOKEN, GITLAB_API_URL; ?environment=SCOPE behind it
  gitlab-group:GROUP/NAME        of a group

Needs tokens:read and tokens:rotate. The old token ends by the drain, which begins when every sink has the new one.`;
