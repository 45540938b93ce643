-- Leaks and reuse as incidents, webhooks and what they were sent, notices of expiry, and the run behind a token's last use.
-- The new columns are empty and cost no rewrite. The index of tokens by their expiry keeps writers of tokens waiting while it
-- is built, one scan of the table; readers go on. The release before this one runs with it all and writes none of it.
CREATE TABLE "expiry_notices" (
	"workspace_id" uuid NOT NULL,
	"token_id" uuid NOT NULL,
	"days_left" integer NOT NULL,
	"at" timestamp with time zone NOT NULL,
	CONSTRAINT "expiry_notices_workspace_id_token_id_days_left_pk" PRIMARY KEY("workspace_id","token_id","days_left")
);
--> statement-breakpoint
CREATE TABLE "incidents" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"token_id" uuid NOT NULL,
	"lineage_id" uuid NOT NULL,
	"opened_at" timestamp with time zone NOT NULL,
	"last_seen_at" timestamp with time zone NOT NULL,
	"times_seen" integer NOT NULL,
	"source" jsonb NOT NULL,
	"closed_at" timestamp with time zone,
	"closed_by" text,
	"closed_note" text,
	CONSTRAINT "incidents_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"webhook_id" uuid NOT NULL,
	"occasion" text NOT NULL,
	"event" text NOT NULL,
	"payload" jsonb NOT NULL,
	"status" text NOT NULL,
	"attempts" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"next_attempt_at" timestamp with time zone,
	"last_attempt_at" timestamp with time zone,
	"last_fault" text,
	CONSTRAINT "webhook_deliveries_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"url" text NOT NULL,
	"form" text NOT NULL,
	"events" text[] NOT NULL,
	"description" text NOT NULL,
	"secret_version" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"created_by" uuid NOT NULL,
	"disabled_at" timestamp with time zone,
	CONSTRAINT "webhooks_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "last_used_check_id" uuid;--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "incidents_open" ON "incidents" USING btree ("workspace_id","token_id","kind") WHERE "incidents"."closed_at" is null;--> statement-breakpoint
CREATE INDEX "incidents_token" ON "incidents" USING btree ("workspace_id","token_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_deliveries_occasion" ON "webhook_deliveries" USING btree ("workspace_id","webhook_id","occasion");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries" USING btree ("next_attempt_at") WHERE "webhook_deliveries"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "webhook_deliveries_webhook" ON "webhook_deliveries" USING btree ("workspace_id","webhook_id","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_created" ON "webhook_deliveries" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "tokens_expires" ON "tokens" USING btree ("expires_at") WHERE "tokens"."revoked_at" is null;