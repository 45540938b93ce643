import { z } from 'zod';
import type { JsonSchema } from './openapi-document.js';

/** Collects the JSON Schemas of a document's messages. */
export interface SchemaCollection {
  /** The JSON Schema of what a sender may send (`input`) or of what a reader gets (`output`). A schema with an id becomes
   *  a component and is referred to. */
  add(schema: z.ZodType, io: 'input' | 'output'): JsonSchema;
  /** The components so far, by name. Throws when two different schemas claim one id. */
  components(): Record<string, JsonSchema>;
}

/** Starts an empty collection. */
export function collectSchemas(): SchemaCollection {
  const found = new Map<string, JsonSchema>();
  return {
    add(schema, io) {
      const { $schema: _, $defs, ...root } = jsonSchemaOf(schema, io);
      for (const [id, definition] of Object.entries($defs ?? {})) {
        const known = found.get(id);
        if (known && JSON.stringify(known) !== JSON.stringify(definition)) {
          throw new Error(`two different schemas have the id ${id}`);
        }
        found.set(id, definition);
      }
      return root;
    },
    components: () => Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const made = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    override: ({ zodSchema, jsonSchema }) => {
      // Zod leaves these two out of what transforms; ours are written as a sender writes them.
      if (zodSchema._zod.def.type === 'default') jsonSchema.default ??= zodSchema._zod.def.defaultValue;
      const examples = z.globalRegistry.get(zodSchema)?.['examples'];
      if (Array.isArray(examples)) jsonSchema.examples ??= examples;
      settle(jsonSchema, io);
    },
  });
  const moved: JsonSchema = JSON.parse(JSON.stringify(made).replaceAll('"#/$defs/', '"#/components/schemas/'));
  return moved;
}

function settle(schema: JsonSchema, io: 'input' | 'output'): void {
  // The format says it, in fewer words than the pattern that zod puts beside it.
  if (schema.format === 'date-time' || schema.format === 'email') delete schema.pattern;
  // Answers may gain members: a reader that refuses them breaks with the next release.
  if (io === 'output' && schema.additionalProperties === false) delete schema.additionalProperties;
  // What this service answers is whole; a default is for the answers of an earlier one.
  if (io === 'output') delete schema.default;
  // That a number is safe goes without saying.
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  const { override, description } = schema;
  if (typeof override !== 'object' || override === null) return;
  for (const key of Object.keys(schema)) delete schema[key];
  Object.assign(schema, override, description === undefined ? {} : { description });
}
