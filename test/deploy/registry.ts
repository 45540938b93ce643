import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MAIN, temporaryDirectory } from '../cli/command-line.js';
import { writeProgram } from './place.js';

/** A package registry on loopback with one package, `countersign`: its command is the built one. */
export interface Registry {
  readonly url: string;
  /** The packed package of a version. */
  readonly tarball: string;
  /** How often the package was asked for. */
  readonly asked: () => number;
  close(): Promise<void>;
}

/** Opens a registry that has the package in some versions. Whichever version is asked for, the command is the one that was
 *  built. An install script of the package would leave the file `script-ran` in its home. */
export async function openRegistry(versions: readonly string[]): Promise<Registry> {
  const tarballs = new Map(versions.map((version) => [version, pack(version)]));
  let asked = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const tarball = tarballs.get(/^\/tarballs\/(.+)\.tgz$/.exec(path)?.[1] ?? '');
    if (path === '/countersign') {
      asked += 1;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(packument(tarballs, url())));
    } else if (tarball !== undefined) response.end(readFileSync(tarball));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url(),
    tarball: tarballs.get(versions[0] ?? '') ?? '',
    asked: () => asked,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function pack(version: string): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'package'));
  const manifest = {
    name: 'countersign',
    version,
    bin: { countersign: 'main.sh' },
    scripts: { postinstall: 'touch "$HOME/script-ran"' },
  };
  writeFileSync(join(directory, 'package/package.json'), JSON.stringify(manifest));
  writeProgram(join(directory, 'package/main.sh'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  const tarball = join(directory, 'countersign.tgz');
  const { status } = spawnSync('tar', ['-czf', tarball, '-C', directory, 'package']);
  if (status !== 0) throw new Error('tar failed');
  return tarball;
}

function packument(tarballs: ReadonlyMap<string, string>, url: string): unknown {
  const versions = [...tarballs].map(([version, path]) => {
    const integrity = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`;
    const dist = { tarball: `${url}/tarballs/${version}.tgz`, integrity };
    return [version, { name: 'countersign', version, bin: { countersign: 'main.sh' }, hasInstallScript: true, dist }];
  });
  return { name: 'countersign', 'dist-tags': { latest: versions.at(-1)?.[0] }, versions: Object.fromEntries(versions) };
}
