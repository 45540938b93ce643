import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

describe('introspection', () => {
  it('tells of an active token (RFC 7662 section 2.2)', async () => {
    const { id, token } = await service.seedToken({ scopes: ['repo:read', 'codex:exec'] });
    expect(await service.client().introspect(token)).toMatchObject({
      active: true,
      jti: id,
      client_id: 'nightly',
      scope: 'repo:read codex:exec',
    });
  });

  it('a revoked token is inactive at once (RFC 7009 section 2)', async () => {
    const { token } = await service.seedToken();
    await service.client(null).revoke(token);
    expect(await service.client().introspect(token)).toEqual({ active: false });
  });
});
