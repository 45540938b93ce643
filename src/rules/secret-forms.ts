import { hasCrcChecksum } from './secret-checksum.js';
import { isPlaceholder, shannonEntropy } from './secret-randomness.js';

/** What the secrets of one kind look like. */
export interface SecretForm {
  readonly kind: string;
  /** For people: `a GitHub token`. */
  readonly title: string;
  /** One of them stands in every secret of the form, `back` characters after its first. */
  readonly anchors: readonly string[];
  readonly back?: number;
  /** Sticky; the first group is the secret where it is not the whole match. At most {@link MAX_SECRET_LENGTH} long. */
  readonly form: RegExp;
  /** Proves a match by its checksum. Without one it has to stand apart from other words, and to look random. */
  readonly proves?: (value: string) => boolean;
}

/** No secret is longer, in characters. */
export const MAX_SECRET_LENGTH = 16_384;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE64URL = `${LETTERS}0123456789-_`;
const MIN_ENTROPY = 2.8;

/** The published forms of common providers' secrets. */
export const SECRET_FORMS: readonly SecretForm[] = [
  {
    kind: 'github-token',
    title: 'a GitHub token',
    anchors: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    form: /gh[pousr]_[0-9A-Za-z]{36}/y,
    proves: hasCrcChecksum,
  },
  {
    kind: 'github-token',
    title: 'a GitHub token',
    anchors: ['github_pat_'],
    form: /github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}(?![0-9A-Za-z_])/y,
  },
  {
    kind: 'gitlab-token',
    title: 'a GitLab token',
    anchors: [
      'glpat-',
      'gldt-',
      'glrt-',
      'glcbt-',
      'glptt-',
      'glft-',
      'glsoat-',
      'glimt-',
      'glagent-',
      'gloas-',
      'glffct-',
    ],
    form: /gl[a-z]{2,6}-[0-9A-Za-z_-]{20,300}(?:\.[0-9a-z]{2}\.[0-9a-z]{7,9})?(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'npm-token',
    title: 'an npm token',
    anchors: ['npm_'],
    form: /npm_[0-9A-Za-z]{36}/y,
    proves: hasCrcChecksum,
  },
  {
    kind: 'aws-access-key-id',
    title: 'an AWS access key id',
    anchors: ['AKIA', 'ASIA', 'ABIA', 'ACCA'],
    form: /A(?:KI|SI|BI|CC)A[A-Z2-7]{16}(?![0-9A-Za-z_])/y,
  },
  {
    kind: 'google-api-key',
    title: 'a Google API key',
    anchors: ['AIza'],
    form: /AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'google-oauth-secret',
    title: 'a Google OAuth client secret',
    anchors: ['GOCSPX-'],
    form: /GOCSPX-[0-9A-Za-z_-]{28}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'google-oauth-token',
    title: 'a Google OAuth access token',
    anchors: ['ya29.'],
    form: /ya29\.[0-9A-Za-z_-]{30,1024}/y,
  },
  {
    kind: 'slack-token',
    title: 'a Slack token',
    anchors: ['xoxa-', 'xoxb-', 'xoxe-', 'xoxp-', 'xoxr-', 'xoxs-', 'xapp-'],
    form: /x(?:ox[abeprs]|app)(?:-[0-9A-Za-z]{1,160}){2,6}/y,
  },
  {
    kind: 'slack-webhook',
    title: 'a Slack webhook',
    anchors: ['hooks.slack.com/services/'],
    form: /hooks\.slack\.com\/services\/T[0-9A-Z]{6,16}\/B[0-9A-Z]{6,16}\/[0-9A-Za-z]{20,32}/y,
  },
  {
    kind: 'discord-webhook',
    title: 'a Discord webhook',
    anchors: ['/api/webhooks/'],
    form: /\/api\/webhooks\/[0-9]{17,20}\/[0-9A-Za-z_-]{60,80}/y,
  },
  {
    kind: 'stripe-key',
    title: 'a Stripe live key',
    anchors: ['sk_live_', 'rk_live_'],
    form: /[sr]k_live_[0-9A-Za-z]{16,250}/y,
  },
  {
    kind: 'stripe-webhook-secret',
    title: 'a Stripe webhook secret',
    anchors: ['whsec_'],
    form: /whsec_[0-9A-Za-z+/]{32,64}={0,2}/y,
  },
  {
    kind: 'openai-key',
    title: 'an OpenAI key',
    anchors: ['sk-proj-', 'sk-svcacct-', 'sk-admin-'],
    form: /sk-(?:proj|svcacct|admin)-[0-9A-Za-z_-]{40,250}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'openai-key',
    title: 'an OpenAI key',
    anchors: ['T3BlbkFJ'],
    back: 23,
    form: /sk-[0-9A-Za-z]{20}T3BlbkFJ[0-9A-Za-z]{20}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'anthropic-key',
    title: 'an Anthropic key',
    anchors: ['sk-ant-'],
    form: /sk-ant-[a-z]{2,8}[0-9]{2}-[0-9A-Za-z_-]{80,160}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'huggingface-token',
    title: 'a Hugging Face token',
    anchors: [...LETTERS].map((letter) => `hf_${letter}`),
    form: /hf_[A-Za-z]{34}(?![0-9A-Za-z_])/y,
  },
  {
    kind: 'groq-key',
    title: 'a Groq key',
    anchors: ['gsk_'],
    form: /gsk_[0-9A-Za-z]{52}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'xai-key',
    title: 'an xAI key',
    anchors: ['xai-'],
    form: /xai-[0-9A-Za-z]{80}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'pypi-token',
    title: 'a PyPI token',
    anchors: ['pypi-AgE'],
    form: /pypi-AgE[0-9A-Za-z_-]{50,1000}/y,
  },
  {
    kind: 'rubygems-key',
    title: 'a RubyGems key',
    anchors: ['rubygems_'],
    form: /rubygems_[0-9a-f]{48}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'azure-storage-key',
    title: 'an Azure storage key',
    anchors: ['AccountKey='],
    form: /AccountKey=([0-9A-Za-z+/]{86}==)/y,
  },
  {
    kind: 'azure-shared-access-key',
    title: 'an Azure shared access key',
    anchors: ['SharedAccessKey='],
    form: /SharedAccessKey=([0-9A-Za-z+/]{43}=)/y,
  },
  {
    kind: 'azure-client-secret',
    title: 'a client secret of Microsoft Entra',
    anchors: ['7Q~', '8Q~', '9Q~'].flatMap((mark) => [...`${BASE64URL}~.`].map((next) => mark + next)),
    back: 3,
    form: /[0-9A-Za-z_~.]{3}[789]Q~[0-9A-Za-z_~.-]{31,34}(?![0-9A-Za-z_~.-])/y,
  },
  {
    kind: 'azure-devops-token',
    title: 'an Azure DevOps token',
    anchors: ['AZDO'],
    back: 76,
    form: /[0-9A-Za-z]{76}AZDO[0-9A-Za-z]{4}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'sendgrid-key',
    title: 'a SendGrid key',
    anchors: [...BASE64URL].map((next) => `SG.${next}`),
    form: /SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'digitalocean-token',
    title: 'a DigitalOcean token',
    anchors: ['dop_v1_', 'doo_v1_', 'dor_v1_'],
    form: /do[opr]_v1_[0-9a-f]{64}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'docker-token',
    title: 'a Docker token',
    anchors: ['dckr_pat_', 'dckr_oat_'],
    form: /dckr_[po]at_[0-9A-Za-z_-]{27,40}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'databricks-token',
    title: 'a Databricks token',
    anchors: ['dapi'],
    form: /dapi[0-9a-f]{32}(?:-[0-9])?(?![0-9A-Za-z])/y,
  },
  {
    kind: 'shopify-token',
    title: 'a Shopify token',
    anchors: ['shpat_', 'shpca_', 'shppa_', 'shpss_'],
    form: /shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'vault-token',
    title: 'a HashiCorp Vault token',
    anchors: ['hvs.', 'hvb.', 'hvr.'],
    form: /hv[sbr]\.[0-9A-Za-z_-]{24,300}(?![0-9A-Za-z_-])/y,
  },
  {
    kind: 'linear-key',
    title: 'a Linear key',
    anchors: ['lin_api_'],
    form: /lin_api_[0-9A-Za-z]{40}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'postman-key',
    title: 'a Postman key',
    anchors: ['PMAK-'],
    form: /PMAK-[0-9a-f]{24}-[0-9a-f]{34}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'grafana-token',
    title: 'a Grafana token',
    anchors: ['glsa_'],
    form: /glsa_[0-9A-Za-z]{32}_[0-9a-f]{8}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'atlassian-token',
    title: 'an Atlassian token',
    anchors: ['ATATT3'],
    form: /ATATT3[0-9A-Za-z_=-]{100,250}/y,
  },
  {
    kind: 'newrelic-key',
    title: 'a New Relic key',
    anchors: ['NRAK-'],
    form: /NRAK-[0-9A-Z]{27}(?![0-9A-Za-z])/y,
  },
  {
    kind: 'age-key',
    title: 'an age secret key',
    anchors: ['AGE-SECRET-KEY-1'],
    form: /AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}(?![0-9A-Z])/y,
  },
  {
    kind: 'jwt',
    title: 'a JSON Web Token',
    anchors: ['eyJhbGci', 'eyJ0eXAi', 'eyJraWQi', 'eyJlbmMi', 'eyJqa3Ui', 'eyJjdHki', 'eyJ4NXQi'],
    form: /eyJ[0-9A-Za-z_-]{8,1024}\.eyJ[0-9A-Za-z_-]{8,8192}\.[0-9A-Za-z_-]{20,2048}/y,
  },
];

/** Where a form's secret stands when its anchor is met at `at` of a text. */
export function matchForm(form: SecretForm, text: string, at: number): { index: number; value: string } | undefined {
  const start = at - (form.back ?? 0);
  if (start < 0) return undefined;
  form.form.lastIndex = start;
  const [whole, group] = form.form.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const value = group ?? whole;
  const index = start + whole.length - value.length;
  const isProven = form.proves ? form.proves(value) : standsApart(text, start) && isPlausible(value);
  return isProven ? { index, value } : undefined;
}

function isPlausible(value: string): boolean {
  return !isPlaceholder(value) && shannonEntropy(value) >= MIN_ENTROPY;
}

const ESCAPE = /(?:\\[nrt]|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|%[0-9a-f]{2})$/i;

/** Whether no word goes on into `at`. An escape before it is none: `\n`, `\u003d`, `%3D`. */
function standsApart(text: string, at: number): boolean {
  return at === 0 || !/[0-9A-Za-z_]/.test(text.charAt(at - 1)) || ESCAPE.test(text.slice(Math.max(0, at - 6), at));
}
