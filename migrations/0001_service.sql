-- The first schema: workspaces, members, workflows, tokens, exec checks, the audit chain and idempotency keys.
-- Locks nothing that is in use: there is nothing yet. exec_checks is partitioned by month over its UUID v7 key; the
-- service makes the partitions. The partition clause is written by hand, because drizzle-kit knows none.
CREATE TABLE "audit_events" (
	"workspace_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"id" uuid NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"actor_type" text NOT NULL,
	"actor_id" text NOT NULL,
	"action" text NOT NULL,
	"target" text NOT NULL,
	"ip" text,
	"user_agent" text,
	"request_id" text,
	"data" jsonb NOT NULL,
	"prev_hash" text NOT NULL,
	"hash" text NOT NULL,
	CONSTRAINT "audit_events_workspace_id_seq_pk" PRIMARY KEY("workspace_id","seq")
);
--> statement-breakpoint
CREATE TABLE "audit_heads" (
	"workspace_id" uuid PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "exec_checks" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"decision" text NOT NULL,
	"reasons" jsonb NOT NULL,
	"as_of" timestamp with time zone NOT NULL,
	"valid_until" timestamp with time zone,
	"token_id" uuid,
	"caller_token_id" uuid NOT NULL,
	"workflow" text NOT NULL,
	"scopes" text[] NOT NULL,
	"context" jsonb NOT NULL,
	"ip" text,
	"finished_at" timestamp with time zone,
	"exit_code" integer,
	"signal" text,
	CONSTRAINT "exec_checks_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
) PARTITION BY RANGE ("id");
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"workspace_id" uuid NOT NULL,
	"member_id" uuid NOT NULL,
	"key" text NOT NULL,
	"body_hash" "bytea" NOT NULL,
	"token_id" uuid NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_workspace_id_member_id_key_pk" PRIMARY KEY("workspace_id","member_id","key")
);
--> statement-breakpoint
CREATE TABLE "members" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"email" text NOT NULL,
	"name" text,
	"role" text NOT NULL,
	"status" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "members_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"workflow" text NOT NULL,
	"creator_id" uuid NOT NULL,
	"owner_id" uuid NOT NULL,
	"name" text,
	"scopes" text[] NOT NULL,
	"constraints" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"not_before" timestamp with time zone,
	"expires_at" timestamp with time zone NOT NULL,
	"expires_in_days" integer NOT NULL,
	"lineage_id" uuid NOT NULL,
	"rotated_from" uuid,
	"rotated_to" uuid,
	"overlap_ends_at" timestamp with time zone,
	"drain_seconds" integer,
	"first_used_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"last_used_ip" text,
	"last_used_by" uuid,
	"revoked_at" timestamp with time zone,
	"revoked_by" text,
	"revoked_reason" text,
	"revoked_note" text,
	"reuse_recorded_at" timestamp with time zone,
	"digest" "bytea" NOT NULL,
	"pepper_kid" text NOT NULL,
	"verifier" text,
	"secret_set_at" timestamp with time zone NOT NULL,
	CONSTRAINT "tokens_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "workflows" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"label" text NOT NULL,
	"description" text NOT NULL,
	"allowed_scopes" text[] NOT NULL,
	"allowed_expiry_days" integer[] NOT NULL,
	"constraints" jsonb NOT NULL,
	"max_run_seconds" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	"paused_at" timestamp with time zone,
	CONSTRAINT "workflows_workspace_id_id_pk" PRIMARY KEY("workspace_id","id"),
	CONSTRAINT "workflows_label" UNIQUE("workspace_id","label")
);
--> statement-breakpoint
CREATE TABLE "workspaces" (
	"id" uuid PRIMARY KEY NOT NULL,
	"slug" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"suspended_at" timestamp with time zone,
	CONSTRAINT "workspaces_slug_unique" UNIQUE("slug")
);
--> statement-breakpoint
ALTER TABLE "audit_heads" ADD CONSTRAINT "audit_heads_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_workflow_fk" FOREIGN KEY ("workspace_id","workflow") REFERENCES "public"."workflows"("workspace_id","label") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_creator_fk" FOREIGN KEY ("workspace_id","creator_id") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_owner_fk" FOREIGN KEY ("workspace_id","owner_id") REFERENCES "public"."members"("workspace_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workflows" ADD CONSTRAINT "workflows_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_events_target" ON "audit_events" USING btree ("workspace_id","target","seq");--> statement-breakpoint
CREATE INDEX "audit_events_action" ON "audit_events" USING btree ("workspace_id","action","seq");--> statement-breakpoint
CREATE INDEX "exec_checks_workflow" ON "exec_checks" USING btree ("workspace_id","workflow","id");--> statement-breakpoint
CREATE INDEX "exec_checks_token" ON "exec_checks" USING btree ("workspace_id","token_id","id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "members_email" ON "members" USING btree ("workspace_id",lower("email")) WHERE "members"."status" <> 'removed';--> statement-breakpoint
CREATE UNIQUE INDEX "tokens_id" ON "tokens" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "tokens_one_successor" ON "tokens" USING btree ("workspace_id","rotated_from");--> statement-breakpoint
CREATE INDEX "tokens_workflow" ON "tokens" USING btree ("workspace_id","workflow","id");--> statement-breakpoint
CREATE INDEX "tokens_creator" ON "tokens" USING btree ("workspace_id","creator_id","id");--> statement-breakpoint
CREATE INDEX "tokens_owner" ON "tokens" USING btree ("workspace_id","owner_id","id");--> statement-breakpoint
CREATE INDEX "tokens_lineage" ON "tokens" USING btree ("workspace_id","lineage_id","id");