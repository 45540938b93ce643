import { afterAll } from 'vitest';
import { removeTemporaryDirectories } from '../cli/command-line.js';
import { endServices } from '../cli/serving.js';

// Run for every test file: the modules that these come from are shared by the files, so that a hook of theirs would be
// the first file's alone.
afterAll(async () => {
  await endServices();
  removeTemporaryDirectories();
});
