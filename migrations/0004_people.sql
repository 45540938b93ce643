-- People prove who they are: sessions, identities of an OpenID provider, passkeys, logins by device code, and CI jobs by
-- the tokens of their platform. What becomes of tokens when their maker leaves, and a policy for a whole workspace.
-- The new columns are empty and cost no rewrite; each ALTER waits for the statements under way and holds up new ones for an
-- instant. The indexes of tokens and members keep their writers waiting while they are built, one scan of the table each;
-- those of tokens are partial and empty. The release before this one runs with them, but it knows no frozen token, no
-- policy and no session: until every node is of this release, freeze nothing and let no policy block.
CREATE TABLE "device_authorizations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"digest" "bytea" NOT NULL,
	"pepper_kid" text NOT NULL,
	"locator" text NOT NULL,
	"verifier" text NOT NULL,
	"tries" integer NOT NULL,
	"client_name" text NOT NULL,
	"ip" text,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"status" text NOT NULL,
	"workspace_id" uuid,
	"member_id" uuid,
	"session_id" uuid,
	"scopes" text[],
	"token_id" uuid
);
--> statement-breakpoint
CREATE TABLE "identities" (
	"workspace_id" uuid NOT NULL,
	"issuer" text NOT NULL,
	"subject" text NOT NULL,
	"member_id" uuid NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"last_sign_in_at" timestamp with time zone NOT NULL,
	CONSTRAINT "identities_workspace_id_issuer_subject_pk" PRIMARY KEY("workspace_id","issuer","subject")
);
--> statement-breakpoint
CREATE TABLE "passkeys" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"member_id" uuid NOT NULL,
	"credential_id" text NOT NULL,
	"public_key" "bytea" NOT NULL,
	"counter" bigint NOT NULL,
	"transports" text[] NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "passkeys_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "seen_once" (
	"digest" "bytea" PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"member_id" uuid NOT NULL,
	"method" text NOT NULL,
	"digest" "bytea" NOT NULL,
	"pepper_kid" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"last_used_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"issuer" text,
	"subject" text,
	"sid" text,
	"ip" text,
	"user_agent" text,
	CONSTRAINT "sessions_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "step_ups" (
	"id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"token_id" uuid NOT NULL,
	"member_id" uuid NOT NULL,
	"act" text NOT NULL,
	"ip" text,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"status" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "trust_rules" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"name" text NOT NULL,
	"preset" text,
	"issuer" text NOT NULL,
	"audience" text NOT NULL,
	"claims" jsonb NOT NULL,
	"jwks" jsonb,
	"workflow" text NOT NULL,
	"scopes" text[] NOT NULL,
	"constraints" jsonb NOT NULL,
	"expires_in_seconds" integer NOT NULL,
	"created_by" uuid NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "trust_rules_workspace_id_id_pk" PRIMARY KEY("workspace_id","id"),
	CONSTRAINT "trust_rules_name" UNIQUE("workspace_id","name")
);
--> statement-breakpoint
ALTER TABLE "members" ADD COLUMN "external_id" text;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "frozen_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "frozen_reason" text;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "takeover_by" uuid;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "takeover_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "session_id" uuid;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "trust_rule_id" uuid;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "stepped_up_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "leaver_rule" text;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "leaver_successor_id" uuid;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "leaver_window_days" integer;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "policy" jsonb;--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_member_fk" FOREIGN KEY ("workspace_id","member_id") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "passkeys" ADD CONSTRAINT "passkeys_member_fk" FOREIGN KEY ("workspace_id","member_id") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_member_fk" FOREIGN KEY ("workspace_id","member_id") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trust_rules" ADD CONSTRAINT "trust_rules_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trust_rules" ADD CONSTRAINT "trust_rules_workflow_fk" FOREIGN KEY ("workspace_id","workflow") REFERENCES "public"."workflows"("workspace_id","label") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trust_rules" ADD CONSTRAINT "trust_rules_creator_fk" FOREIGN KEY ("workspace_id","created_by") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "device_authorizations_locator" ON "device_authorizations" USING btree ("locator") WHERE "device_authorizations"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "device_authorizations_expires" ON "device_authorizations" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "identities_subject" ON "identities" USING btree ("issuer","subject");--> statement-breakpoint
CREATE INDEX "identities_member" ON "identities" USING btree ("workspace_id","member_id");--> statement-breakpoint
CREATE UNIQUE INDEX "passkeys_credential" ON "passkeys" USING btree ("credential_id");--> statement-breakpoint
CREATE INDEX "passkeys_member" ON "passkeys" USING btree ("workspace_id","member_id","id");--> statement-breakpoint
CREATE INDEX "seen_once_expires" ON "seen_once" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "sessions_id" ON "sessions" USING btree ("id");--> statement-breakpoint
CREATE INDEX "sessions_member" ON "sessions" USING btree ("workspace_id","member_id","id");--> statement-breakpoint
CREATE INDEX "sessions_subject" ON "sessions" USING btree ("issuer","subject") WHERE "sessions"."ended_at" is null;--> statement-breakpoint
CREATE INDEX "sessions_expires" ON "sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "step_ups_expires" ON "step_ups" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "trust_rules_issuer" ON "trust_rules" USING btree ("issuer","audience");--> statement-breakpoint
CREATE INDEX "members_email_anywhere" ON "members" USING btree (lower("email")) WHERE "members"."status" <> 'removed';--> statement-breakpoint
CREATE UNIQUE INDEX "members_external_id" ON "members" USING btree ("workspace_id","external_id") WHERE "members"."external_id" is not null and "members"."status" <> 'removed';--> statement-breakpoint
CREATE INDEX "tokens_session" ON "tokens" USING btree ("workspace_id","session_id","id") WHERE "tokens"."session_id" is not null;--> statement-breakpoint
CREATE INDEX "tokens_trust_rule" ON "tokens" USING btree ("workspace_id","trust_rule_id","id") WHERE "tokens"."trust_rule_id" is not null;--> statement-breakpoint
CREATE INDEX "tokens_frozen" ON "tokens" USING btree ("workspace_id","id") WHERE "tokens"."frozen_at" is not null;--> statement-breakpoint
CREATE INDEX "tokens_takeover" ON "tokens" USING btree ("takeover_until") WHERE "tokens"."takeover_until" is not null;