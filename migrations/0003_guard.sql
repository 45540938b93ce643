-- Runs with leases and limits, runners that prove themselves, tool rules and what was decided by them.
-- The new columns are empty and cost no rewrite; each ALTER waits for the statements under way and holds up new ones for an
-- instant. The two indexes of exec_checks and the one of tokens keep their writers waiting while they are built: they are
-- partial and empty, so that is one scan of each table. The release before this one runs with them: it writes none of the
-- columns, and a token of kind `runner` is inactive to it.
CREATE TABLE "dpop_proofs" (
	"jti_hash" "bytea" PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "runner_enrolments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"locator" text NOT NULL,
	"verifier" text NOT NULL,
	"tries" integer NOT NULL,
	"name" text NOT NULL,
	"labels" text[] NOT NULL,
	"jkt" text NOT NULL,
	"ip" text,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"status" text NOT NULL,
	"workspace_id" uuid,
	"runner_id" uuid,
	"expires_in_days" integer
);
--> statement-breakpoint
CREATE TABLE "runners" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"name" text NOT NULL,
	"labels" text[] NOT NULL,
	"jkt" text NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" uuid NOT NULL,
	CONSTRAINT "runners_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "tool_decisions" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"check_id" uuid NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"event" text NOT NULL,
	"tool" text,
	"decision" text NOT NULL,
	"code" text NOT NULL,
	"rule" integer,
	"detail" text NOT NULL,
	CONSTRAINT "tool_decisions_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "runner_id" uuid;--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "run_status" text;--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "lease_seconds" integer;--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "lease_ends_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "stopped_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "stopped_by" text;--> statement-breakpoint
ALTER TABLE "exec_checks" ADD COLUMN "stopped_reason" text;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "cnf_jkt" text;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "runner_id" uuid;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "max_concurrent_runs" integer;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "max_concurrent_runs_per_token" integer;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "tool_rules" jsonb;--> statement-breakpoint
ALTER TABLE "runners" ADD CONSTRAINT "runners_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runners" ADD CONSTRAINT "runners_creator_fk" FOREIGN KEY ("workspace_id","created_by") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "dpop_proofs_expires" ON "dpop_proofs" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "runner_enrolments_locator" ON "runner_enrolments" USING btree ("locator") WHERE "runner_enrolments"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "runner_enrolments_expires" ON "runner_enrolments" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "runners_name" ON "runners" USING btree ("workspace_id","name") WHERE "runners"."status" <> 'removed';--> statement-breakpoint
CREATE UNIQUE INDEX "runners_jkt" ON "runners" USING btree ("jkt") WHERE "runners"."status" <> 'removed';--> statement-breakpoint
CREATE INDEX "tool_decisions_check" ON "tool_decisions" USING btree ("workspace_id","check_id","id");--> statement-breakpoint
CREATE INDEX "tool_decisions_at" ON "tool_decisions" USING btree ("at");--> statement-breakpoint
CREATE INDEX "exec_checks_running" ON "exec_checks" USING btree ("workspace_id","workflow","token_id","id") WHERE "exec_checks"."run_status" = 'running';--> statement-breakpoint
CREATE INDEX "exec_checks_runs" ON "exec_checks" USING btree ("workspace_id","id") WHERE "exec_checks"."run_status" is not null;--> statement-breakpoint
CREATE INDEX "tokens_runner" ON "tokens" USING btree ("workspace_id","runner_id","id") WHERE "tokens"."runner_id" is not null;