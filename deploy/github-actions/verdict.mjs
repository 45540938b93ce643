// The last step of action.yml, whatever happened before: the guard's verdict as outputs and for the summary of the run.
// Reasons may hold text of anybody, of whatever answered in the place of the service for one: only what has a known form
// becomes an output, and the rest is shown as text.
import { appendFileSync, readFileSync, rmSync } from 'node:fs';

const TEXTS = {
  none: 'There is no verdict of a guard.',
  unfinished: 'The guard was ended before it could tell what came out.',
  refused: 'Refused. Nothing ran.',
  unreachable: 'The service could not be asked. Nothing ran.',
  not_started: 'Allowed, but the script could not be started.',
  ran: 'Allowed. The script came to its own end.',
  stopped: 'Allowed, and stopped while it ran.',
};

const directory = process.env.COUNTERSIGN_DIRECTORY ?? '';
const status = readStatus();
const verdict = Object.hasOwn(TEXTS, status.verdict) ? status.verdict : 'none';
const checkId = /^chk_[0-9A-Za-z]{22}$/.test(status.check_id) ? status.check_id : '';
const exitCode = Number.isInteger(status.exit_code) ? String(status.exit_code) : '';
const reasons = Array.isArray(status.reasons) ? status.reasons : [];
const codes = reasons
  .map((reason) => reason?.code)
  .filter((code) => typeof code === 'string' && /^[a-z_]{1,64}$/.test(code));

const outputs = { verdict, 'check-id': checkId, 'exit-code': exitCode, reasons: codes.join(' ') };
append(
  process.env.GITHUB_OUTPUT,
  Object.entries(outputs).map(([name, value]) => `${name}=${value}`),
);
append(process.env.GITHUB_STEP_SUMMARY, [
  `**Countersign**: ${TEXTS[verdict]}${exitCode === '' ? '' : ` Exit code ${exitCode}.`}${checkId && ` \`${checkId}\``}`,
  '',
  ...(reasons.length > 0
    ? ['<pre>', ...reasons.map((one) => asText(`${one?.code}: ${one?.detail}`)), '</pre>', '']
    : []),
]);
if (directory !== '') rmSync(directory, { recursive: true, force: true });

function readStatus() {
  try {
    return JSON.parse(readFileSync(`${directory}/status.json`, 'utf8')) ?? {};
  } catch {
    return {};
  }
}

function append(path, lines) {
  if (path) appendFileSync(path, `${lines.join('\n')}\n`);
}

function asText(text) {
  return text.replace(/\s+/g, ' ').replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
