import { expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.js';
import { readDatabaseUrl } from '../../src/store/database-url.js';

it.each([
  ['postgres://u:p@db.example:6543/app', 'postgres://u:p@db.example:6543/app'],
  ['postgresql://db.example/app?sslmode=require', 'postgresql://db.example/app?sslmode=require'],
  ['postgres://db.example/app?target_session_attrs=read-write', 'postgres://db.example/app'],
  [
    'postgres://db.example/app?target_session_attrs=primary&sslmode=require',
    'postgres://db.example/app?sslmode=require',
  ],
  ['postgres://db.example/app?target_session_attrs=any', 'postgres://db.example/app'],
])('one host: %s', (text, url) => {
  expect(readDatabaseUrl(text)).toEqual({ url, path: undefined, hosts: [] });
});

it.each([
  ['postgres://u@%2Frun%2Fpostgresql/app', '/run/postgresql/.s.PGSQL.5432'],
  ['postgres://u@%2Frun%2Fpostgresql/app?port=6432', '/run/postgresql/.s.PGSQL.6432'],
  ['postgres:///app?host=/run/postgresql', '/run/postgresql/.s.PGSQL.5432'],
])('a Unix socket: %s', (text, path) => {
  expect(readDatabaseUrl(text)).toMatchObject({ path, hosts: [] });
});

it('several hosts', () => {
  expect(readDatabaseUrl('postgres://u:p%40@a.example:1,b.example,[::1]:3/app?sslmode=require')).toEqual({
    url: 'postgres://u:p%40@a.example:1/app?sslmode=require',
    path: undefined,
    hosts: [
      { host: 'a.example', port: 1 },
      { host: 'b.example', port: 5432 },
      { host: '::1', port: 3 },
    ],
  });
});

const KEYS = {
  COUNTERSIGN_PEPPER: `p1:${Buffer.alloc(32).toString('base64')}`,
  COUNTERSIGN_SIGNING_KEYS: '{"keys":[]}',
};

it.each(['mysql://db/app', 'db.example', 'postgres://a,,b/app', 'postgres://a:99999,b/app', ''])(
  'what is none: %s',
  (text) => {
    expect(readDatabaseUrl(text)).toBeUndefined();
    if (text !== '') expect(() => readConfig({ ...KEYS, DATABASE_URL: text })).toThrow(ConfigError);
  },
);
