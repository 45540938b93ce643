import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/global.ts'],
    setupFiles: ['test/setup/after-file.ts'],
    pool: 'forks',
    // More than the cores of a small machine: much of the time is spent on processes that start and stop. What the files
    // import is shared, since none of them changes it.
    maxWorkers: 4,
    isolate: false,
    watch: false,
    // For a machine that is busy with other things too. No test waits for so long on one that is not.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});
