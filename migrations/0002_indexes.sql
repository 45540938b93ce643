-- Indexes for the lists: each gives rows in the order of its list, so that a page costs the same wherever it is.
-- Writers of a table wait from its first index on until the whole migration is committed, a few seconds for a million
-- rows; readers go on, introspection among them. All are partial and small, but for that of the workflows. The release
-- before this one runs with them.
CREATE INDEX "exec_checks_denied" ON "exec_checks" USING btree ("workspace_id","id") WHERE "exec_checks"."decision" = 'deny';--> statement-breakpoint
CREATE INDEX "members_present" ON "members" USING btree ("workspace_id","id") WHERE "members"."status" <> 'removed';--> statement-breakpoint
CREATE INDEX "members_owners" ON "members" USING btree ("workspace_id","id") WHERE "members"."role" = 'owner';--> statement-breakpoint
CREATE INDEX "tokens_revoked" ON "tokens" USING btree ("workspace_id","id") WHERE "tokens"."revoked_at" is not null;--> statement-breakpoint
CREATE INDEX "tokens_not_before" ON "tokens" USING btree ("workspace_id","id") WHERE "tokens"."not_before" is not null;--> statement-breakpoint
CREATE INDEX "workflows_by_code_point" ON "workflows" USING btree ("workspace_id","label" collate "C");