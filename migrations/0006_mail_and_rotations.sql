-- Mails that are on their way, and what a workflow says of its secrets: whom to tell, what the use of a dead one does, and
-- where they live. The new columns are empty and cost no rewrite; the release before this one runs with them and writes none.
-- The index of tokens keeps their writers waiting while it is built, which is one scan of the table. It has those alone that
-- nothing took the place of, and none that was made for hours. That of owners and admins is small.
-- Beside that how far the files of the revocation journal have come, so that a start can tell when one was cut.
CREATE TABLE "mail_deliveries" (
	"workspace_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"recipient" text NOT NULL,
	"occasion" text NOT NULL,
	"event" text NOT NULL,
	"payload" jsonb NOT NULL,
	"status" text NOT NULL,
	"attempts" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"next_attempt_at" timestamp with time zone,
	"last_attempt_at" timestamp with time zone,
	"last_fault" text,
	CONSTRAINT "mail_deliveries_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "journal_files" (
	"name" text PRIMARY KEY NOT NULL,
	"mac" text NOT NULL,
	"written_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "contacts" text[];--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "reuse_rule" text;--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "rotations" jsonb;--> statement-breakpoint
CREATE UNIQUE INDEX "mail_deliveries_occasion" ON "mail_deliveries" USING btree ("workspace_id",lower("recipient"),"occasion");--> statement-breakpoint
CREATE INDEX "mail_deliveries_due" ON "mail_deliveries" USING btree ("next_attempt_at") WHERE "mail_deliveries"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "mail_deliveries_created" ON "mail_deliveries" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "tokens_ending" ON "tokens" USING btree ("workspace_id","expires_at","id") WHERE "tokens"."revoked_at" is null and "tokens"."rotated_to" is null and "tokens"."expires_in_days" > 0;--> statement-breakpoint
CREATE INDEX "members_keepers" ON "members" USING btree ("workspace_id","id") WHERE "members"."role" in ('owner', 'admin');
